package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// tailSize is the length of an object file's tail, docs/FORMAT.md.
const tailSize = 3904

// singles is a folder with a few objects and no gateway any more.
type singles struct {
	*gateway
	cli         *program
	key         string // file with the 64-digit key
	customer    string // file with the customer's key
	plain, part []byte // contents of plain and parts; of ssec too
}

func newSingles(t *testing.T) *singles {
	t.Helper()
	g := newGateway(t)
	s := &singles{gateway: g, cli: command(t), key: g.keyFile(t), plain: noise(1, 100_000), part: noise(2, 11<<20)}
	makeBucket(t, g, "kept")
	client, bucket := sdk(t, g), aws.String("kept")
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("folder/plain.bin"), Body: bytes.NewReader(s.plain), ContentType: aws.String("x/special"), Metadata: map[string]string{"colour": "teal"},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := randomKey()
	k := newSSEC(raw)
	s.customer = secretFile(t, fmt.Sprintf("%x", raw))
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("ssec.bin"), Body: bytes.NewReader(s.plain), SSECustomerAlgorithm: &k.algorithm, SSECustomerKey: &k.key, SSECustomerKeyMD5: &k.sum,
	})
	if err != nil {
		t.Fatal(err)
	}
	up, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("parts.bin")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for n := range int32(2) {
		body := [][]byte{s.part[:6<<20], s.part[6<<20:]}[n]
		part, err := client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: aws.String("parts.bin"), UploadId: up.UploadId, PartNumber: aws.Int32(n + 1), Body: bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(n + 1), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
	}
	_, err = client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: aws.String("parts.bin"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		t.Fatal(err)
	}
	g.stop()
	return s
}

// file is where an object lies.
func (s *singles) file(key string) string {
	return filepath.Join(s.data(), "kept,", strings.ReplaceAll(key, "/", ",/"))
}

func TestObjectInspectAndDecrypt(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newSingles(t)
	password := secretFile(t, "a password for single files 12")
	s.cli.run(t, "vault", "passwd", "--dir", s.Dir, "--key-file", s.key, "--new-password-file", password)
	away := copyFile(t, s.file("folder/plain.bin"), filepath.Join(t.TempDir(), "a mail attachment.dat"))
	vaultFile := filepath.Join(s.Dir, "state", "vaults", "quickstart")

	t.Run("inspect", func(t *testing.T) {
		clear := s.cli.run(t, "object", "inspect", s.file("folder/plain.bin"))
		if !strings.Contains(clear, "100000 bytes") || strings.Contains(clear, "teal") || !strings.Contains(clear, "verified    no") {
			t.Errorf("without a key:\n%s", clear)
		}
		for name, key := range map[string][]string{"key": {"--key-file", s.key}, "password": {"--password-file", password}} {
			sealed := s.cli.run(t, append([]string{"object", "inspect", s.file("folder/plain.bin")}, key...)...)
			for _, want := range []string{"verified    yes", "folder/plain.bin", "kept", "teal", "x/special", "100000 bytes"} {
				if !strings.Contains(sealed, want) {
					t.Errorf("with the %s %q is missing:\n%s", name, want, sealed)
				}
			}
		}
		if out := s.cli.run(t, "object", "inspect", s.file("ssec.bin")); !strings.Contains(out, "SSE-C") {
			t.Errorf("a file with the client's own key:\n%s", out)
		}
		foreign := writeFile(t, filepath.Join(t.TempDir(), "foreign"), noise(3, 10_000))
		if r := s.cli.try(t, "object", "inspect", foreign); r.code != 1 || !strings.Contains(r.stderr, "Sallyport's") {
			t.Errorf("a foreign file: exit %d\n%s", r.code, r.both())
		}
	})
	t.Run("decrypt", func(t *testing.T) {
		for name, c := range map[string]struct {
			args []string
			want []byte
		}{
			"in place, by key":                {[]string{s.file("folder/plain.bin"), "--key-file", s.key}, s.plain},
			"in place, by password":           {[]string{s.file("folder/plain.bin"), "--password-file", password}, s.plain},
			"of parts":                        {[]string{s.file("parts.bin"), "--key-file", s.key}, s.part},
			"elsewhere, vault file given":     {[]string{away, "--key-file", s.key, "--vault-file", vaultFile}, s.plain},
			"elsewhere, root given":           {[]string{away, "--key-file", s.key, "--vault-file", s.data()}, s.plain},
			"customer's key alone":            {[]string{s.file("ssec.bin"), "--customer-key-file", s.customer}, s.plain},
			"customer's key alone, elsewhere": {[]string{copyFile(t, s.file("ssec.bin"), filepath.Join(t.TempDir(), "f")), "--customer-key-file", s.customer}, s.plain},
		} {
			to := filepath.Join(t.TempDir(), "out")
			if r := s.cli.try(t, append([]string{"object", "decrypt", "--to", to}, c.args...)...); r.code != 0 {
				t.Errorf("%s: exit %d\n%s", name, r.code, r.both())
				continue
			}
			sameBytes(t, name, c.want, readFile(t, to))
		}
		s.cli.run(t, "object", "decrypt", s.file("folder/plain.bin"), "--key-file", s.key)
		sameBytes(t, "default name", s.plain, readFile(t, filepath.Join(s.cli.dir, "plain.bin")))
	})
	t.Run("refusals", func(t *testing.T) {
		cut, altered, long := away+".cut", away+".altered", away+".long"
		b := readFile(t, away)
		writeFile(t, cut, b[:len(b)-5000])
		writeFile(t, long, append(bytes.Clone(b), 1))
		b[50_000] ^= 4
		writeFile(t, altered, b)
		existing := writeFile(t, filepath.Join(t.TempDir(), "existing"), []byte("mine"))
		for name, c := range map[string]struct {
			args []string
			says string
		}{
			"truncated":                {[]string{cut, "--key-file", s.key, "--vault-file", vaultFile}, "salvage"},
			"altered":                  {[]string{altered, "--key-file", s.key, "--vault-file", vaultFile}, "salvage"},
			"extended":                 {[]string{long, "--key-file", s.key, "--vault-file", vaultFile}, "salvage"},
			"wrong key":                {[]string{away, "--key-file", secretFile(t, strings.Repeat("ab12", 16)), "--vault-file", vaultFile}, "key"},
			"wrong password":           {[]string{away, "--password-file", secretFile(t, "no"), "--vault-file", vaultFile}, "password"},
			"no vault file":            {[]string{away, "--key-file", s.key}, "--vault-file"},
			"vault's key for SSE-C":    {[]string{s.file("ssec.bin"), "--key-file", s.key}, "--customer-key-file"},
			"customer's for a vault's": {[]string{s.file("folder/plain.bin"), "--customer-key-file", s.customer}, "--key-file"},
			"wrong customer's key":     {[]string{s.file("ssec.bin"), "--customer-key-file", secretFile(t, strings.Repeat("12ab", 16))}, "key"},
			"no key at all":            {[]string{s.file("folder/plain.bin")}, "--key-file"},
		} {
			to := filepath.Join(t.TempDir(), "out")
			r := s.cli.try(t, append([]string{"object", "decrypt", "--to", to}, c.args...)...)
			if r.code == 0 || !strings.Contains(r.stderr, c.says) {
				t.Errorf("%s: exit %d, want %q in: %s", name, r.code, c.says, r.stderr)
			}
			if _, err := os.Stat(to); err == nil {
				t.Errorf("%s: something was written", name)
			}
		}
		if r := s.cli.try(t, "object", "decrypt", s.file("folder/plain.bin"), "--key-file", s.key, "--to", existing); r.code == 0 || string(readFile(t, existing)) != "mine" {
			t.Errorf("an existing file was overwritten: exit %d", r.code)
		}
	})
}

func TestObjectSalvage(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	s := newSingles(t)
	salvage := func(name string, change func([]byte) []byte, from string, keys ...string) (r result, got []byte) {
		t.Helper()
		dir := t.TempDir()
		hurt := writeFile(t, filepath.Join(dir, "hurt"), change(readFile(t, s.file(from))))
		to := filepath.Join(dir, "out")
		r = s.cli.try(t, append([]string{"object", "salvage", hurt, "--to", to, "--vault-file", s.data()}, keys...)...)
		got, err := os.ReadFile(to)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, r.both())
		}
		return r, got
	}
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }

	r, got := salvage("tail lost", cut(tailSize), "folder/plain.bin", "--key-file", s.key)
	sameBytes(t, "tail lost", s.plain, got)
	if r.code != 0 || !strings.Contains(r.stdout, "Nothing is known to be missing") {
		t.Errorf("tail lost: exit %d\n%s", r.code, r.both())
	}
	r, got = salvage("tail and table lost", cut(tailSize+56+2*152+16), "parts.bin", "--key-file", s.key)
	sameBytes(t, "tail and table lost", s.part, got)
	if r.code != 0 {
		t.Errorf("tail and table lost: exit %d\n%s", r.code, r.both())
	}
	r, got = salvage("second half lost", cut(5<<20), "parts.bin", "--key-file", s.key)
	if n := len(got); r.code == 0 || n < 6<<20 || !bytes.Equal(got[:6<<20], s.part[:6<<20]) {
		t.Errorf("second half lost: exit %d, %d bytes\n%s", r.code, n, r.both())
	}
	r, got = salvage("one chunk altered", func(b []byte) []byte { b[112+16400+5] ^= 1; return b[:len(b)-tailSize] }, "folder/plain.bin", "--key-file", s.key)
	want := bytes.Clone(s.plain)
	clear(want[16384 : 2*16384])
	sameBytes(t, "one chunk altered", want, got)
	if r.code != 1 || !strings.Contains(r.stdout, "lost: 16384 bytes at 16384") {
		t.Errorf("one chunk altered: exit %d\n%s", r.code, r.both())
	}
	dir := t.TempDir()
	hurt := writeFile(t, filepath.Join(dir, "hurt"), cut(tailSize)(readFile(t, s.file("ssec.bin"))))
	s.cli.run(t, "object", "salvage", hurt, "--to", filepath.Join(dir, "out"), "--customer-key-file", s.customer)
	sameBytes(t, "customer's key, tail lost", s.plain, readFile(t, filepath.Join(dir, "out")))
}
