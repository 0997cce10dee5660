package chunked

import (
	"bytes"
	"compress/zlib"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/c2sp/wycheproof"
)

type publicVector struct {
	ID        int    `json:"tcId"`
	Comment   string `json:"comment"`
	Key       hexBytes
	Ctx       hexBytes
	Ct        hexBytes
	AEADKey   hexBytes `json:"aeadKey"`
	BaseNonce hexBytes `json:"baseNonce"`
	MsgLength *int64   `json:"msgLength"`
	MsgSHA512 hexBytes `json:"msgSha512"`
	Result    string
	Flags     []string

	message []byte
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func publicVectors(t *testing.T) []publicVector {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, "c2sp_chunked_encryption_aes_256_gcm_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct{ Tests []publicVector }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []publicVector
	for _, g := range file.TestGroups {
		all = append(all, g.Tests...)
	}
	if len(all) != 35 || file.NumberOfTests != 35 {
		t.Fatalf("%d vectors, want 35", len(all))
	}
	for i := range all {
		z, err := zlib.NewReader(bytes.NewReader(all[i].Ct))
		if err != nil {
			t.Fatal(err)
		}
		if all[i].message, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func (v *publicVector) has(flag string) bool { return slices.Contains(v.Flags, flag) }

// checkReleased compares what a reader released with the longest prefix it was allowed to release.
func (v *publicVector) checkReleased(t *testing.T, got []byte, whole bool) {
	t.Helper()
	var allowed int64
	if v.MsgLength != nil {
		allowed = *v.MsgLength
	}
	if int64(len(got)) > allowed || whole && int64(len(got)) != allowed {
		t.Fatalf("released %d bytes, %d are valid", len(got), allowed)
	}
	if int64(len(got)) == allowed && v.MsgLength != nil {
		if sum := sha512.Sum512(got); !bytes.Equal(sum[:], v.MsgSHA512) {
			t.Fatal("released other bytes than were sealed")
		}
	}
}

func TestWycheproofVectors(t *testing.T) {
	seen := 0
	for _, v := range publicVectors(t) {
		t.Run(fmt.Sprintf("%02d %s", v.ID, v.Comment), func(t *testing.T) {
			seen++
			if len(v.Key) != KeySize {
				if !v.has("InvalidKeySize") {
					t.Fatal("unexpected key size")
				}
				return // the type of the key refuses these.
			}
			valid := v.Result == "valid"
			key := [KeySize]byte(v.Key)
			want := func(t *testing.T, err error) {
				t.Helper()
				switch {
				case valid:
					if err != nil {
						t.Fatalf("valid message refused: %v", err)
					}
				case v.has("HeaderFailure"):
					if !errors.Is(err, ErrCommitment) {
						t.Fatalf("got %v, want a refusal at the header", err)
					}
				case !errors.Is(err, ErrAuthentication):
					t.Fatalf("got %v, want a refusal of the chunks", err)
				}
			}
			t.Run("whole", func(t *testing.T) {
				got, err := Open(&key, v.Ctx, v.message)
				want(t, err)
				if err != nil && got != nil {
					t.Fatal("plaintext beside an error")
				}
				v.checkReleased(t, got, valid)
			})
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"stream":      func(r io.Reader) io.Reader { return r },
				"half reads":  iotest.HalfReader,
				"early error": iotest.DataErrReader,
			} {
				t.Run(name, func(t *testing.T) {
					r, err := NewDecryptReader(&key, v.Ctx, wrap(bytes.NewReader(v.message)))
					if err != nil {
						want(t, err)
						return
					}
					got, err := io.ReadAll(r)
					want(t, err)
					v.checkReleased(t, got, valid)
					if n, again := r.Read(make([]byte, 1)); n != 0 || again == nil || !valid && !errors.Is(again, err) {
						t.Fatalf("after the end: %d, %v", n, again)
					}
				})
			}
			t.Run("random access", func(t *testing.T) {
				r, err := NewReaderAt(&key, v.Ctx, bytes.NewReader(v.message), int64(len(v.message)))
				if err != nil {
					want(t, err)
					return
				}
				if !valid && !v.has("ValidFinalChunk") {
					t.Fatal("the length of a damaged message was taken for good")
				}
				got := make([]byte, r.Size())
				n, err := r.ReadAt(got, 0)
				want(t, err)
				v.checkReleased(t, got[:n], valid)
			})
			if valid {
				t.Run("seal", func(t *testing.T) { sealAgain(t, &v, &key) })
			}
			if len(v.BaseNonce) > 0 {
				c, _ := derive(&key, v.Ctx, v.message[:SaltSize])
				if !bytes.Equal(c.base[:], v.BaseNonce) {
					t.Fatal("derived another base nonce")
				}
			}
		})
	}
	if seen != 35 {
		t.Fatalf("ran %d vectors, want 35", seen)
	}
}

// sealAgain seals the message of a vector with its salt and expects the vector's bytes.
func sealAgain(t *testing.T, v *publicVector, key *[KeySize]byte) {
	t.Helper()
	plain, err := Open(key, v.Ctx, v.message)
	if err != nil {
		t.Fatal(err)
	}
	salt := [SaltSize]byte(v.message)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole reads": func(r io.Reader) io.Reader { return r }, "half reads": iotest.HalfReader, "early error": iotest.DataErrReader,
	} {
		for _, length := range []int64{-1, int64(len(plain))} {
			got, err := io.ReadAll(newEncryptReader(key, v.Ctx, length, wrap(bytes.NewReader(plain)), salt))
			if err != nil || !bytes.Equal(got, v.message) {
				t.Fatalf("%s, announced %d: other bytes than the vector's, error %v", name, length, err)
			}
		}
	}
}
