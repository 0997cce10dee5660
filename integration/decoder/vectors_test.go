package decoder

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sallyport/integration/internal/toolchain"
)

// vector is a row of the manifest, FORMAT.md section 12.
type vector struct {
	Name        string            `json:"name"`
	Fact        string            `json:"fact"`
	Kind        string            `json:"kind"`
	File        string            `json:"file"`
	Kept        bool              `json:"kept"`
	Size        int64             `json:"size"`
	SHA256      string            `json:"sha256"`
	Mode        string            `json:"mode"`
	Vault       string            `json:"vault"`
	Epoch       uint32            `json:"epoch"`
	RootKey     string            `json:"vrk"`
	CustomerKey string            `json:"customer_key"`
	Result      string            `json:"result"`
	Plain       int64             `json:"plain"`
	PlainSHA256 string            `json:"plain_sha256"`
	Released    int64             `json:"released"`
	Metadata    *vectorMetadata   `json:"metadata"`
	Parts       []tablePart       `json:"parts"`
	Note        map[string]string `json:"note"`
	Upload      string            `json:"upload"`
	Part        int               `json:"part"`
}

type vectorMetadata struct {
	Bucket     string            `json:"bucket"`
	Key        string            `json:"key"`
	ETag       string            `json:"etag"`
	Checksum   map[string]string `json:"checksum"`
	Headers    map[string]string `json:"headers_hex"`
	UserData   map[string]string `json:"user_metadata_hex"`
	Millis     int64             `json:"millis"`
	Writer     int64             `json:"writer"`
	PartNumber *int              `json:"part_number"`
}

func (v vector) job(file, out string) job {
	return job{
		File: file, Out: out, Kind: v.Kind, Vault: v.Vault, Epoch: v.Epoch, RootKey: v.RootKey, CustomerKey: v.CustomerKey, Upload: v.Upload, Part: v.Part,
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := toolchain.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// objectVectors reads the manifest and returns, for each vector, where its file is. The large ones are made in a folder of their own.
func objectVectors(t *testing.T) ([]vector, func(vector) string) {
	t.Helper()
	kept := filepath.Join(root(t), "crypto", "testdata", "vectors")
	text, err := os.ReadFile(filepath.Join(kept, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Vectors) < 100 {
		t.Fatalf("the manifest lists %d vectors only", len(manifest.Vectors))
	}
	made := t.TempDir()
	generate := exec.CommandContext(t.Context(), "go", "run", "./crypto/internal/vectorgen", "-out", made, "-large")
	generate.Dir = root(t)
	if output, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("make the large vectors: %v\n%s", err, output)
	}
	return manifest.Vectors, func(v vector) string {
		if v.Kept {
			return filepath.Join(kept, v.File)
		}
		return filepath.Join(made, v.File)
	}
}

// vectorPlaintext is the first n bytes that all vectors have in common.
func vectorPlaintext(n int64) []byte {
	plain := make([]byte, 0, n+sha256.Size)
	for i := uint64(0); int64(len(plain)) < n; i++ {
		block := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
		plain = append(plain, block[:]...)
	}
	return plain[:n]
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestDecoderReadsEveryVector(t *testing.T) {
	needsPython(t)
	vectors, path := objectVectors(t)
	outs := t.TempDir()
	jobs := make([]job, len(vectors))
	for i, v := range vectors {
		data, err := os.ReadFile(path(v))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(data)) != v.Size || hexSHA256(data) != v.SHA256 {
			t.Fatalf("%s is not the file that the manifest means", v.Name)
		}
		out := ""
		if v.Kind == "object" && v.Kept {
			out = filepath.Join(outs, v.Name)
		}
		jobs[i] = v.job(path(v), out)
	}
	plain := vectorPlaintext(16 << 20)
	for i, got := range decode(t, jobs) {
		v := vectors[i]
		t.Run(v.Name, func(t *testing.T) {
			if got.Result != v.Result {
				t.Fatalf("%s: got %q (%s), want %q", v.Fact, got.Result, got.Why, v.Result)
			}
			if got.ReleasedSHA256 != hexSHA256(plain[:got.Released]) {
				t.Errorf("the %d bytes released are not the plaintext", got.Released)
			}
			content, err := os.ReadFile(filepath.Join(outs, v.Name))
			switch {
			case v.Result != "ok":
				if got.Released > v.Released || err == nil {
					t.Errorf("released %d bytes, at most %d may be; file made: %v", got.Released, v.Released, err == nil)
				}
			case v.Kind != "object":
				compareNote(t, v.Note, got.Note)
			default:
				if got.Released != v.Plain || got.ReleasedSHA256 != v.PlainSHA256 {
					t.Errorf("released %d bytes, %s", got.Released, got.ReleasedSHA256)
				}
				if jobs[i].Out != "" && (err != nil || hexSHA256(content) != v.PlainSHA256) {
					t.Errorf("the file made has %d bytes, %v", len(content), err)
				}
				compareMetadata(t, v, got)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(outs, "*.unverified")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func compareNote(t *testing.T, want map[string]string, got map[string]any) {
	t.Helper()
	for name, value := range want {
		if text := fmt.Sprint(got[name]); text != value {
			t.Errorf("%s is %q, want %q", name, text, value)
		}
	}
}

// inHex joins the two ways in which a tail holds values.
func inHex(texts map[string]string, others map[string][]byte) map[string]string {
	joined := map[string]string{}
	for name, value := range texts {
		joined[name] = hex.EncodeToString([]byte(value))
	}
	for name, value := range others {
		joined[name] = hex.EncodeToString(value)
	}
	return joined
}

func compareMetadata(t *testing.T, v vector, got answer) {
	t.Helper()
	m, want := got.Metadata, v.Metadata
	if m.Plain != v.Plain || m.Bucket != want.Bucket || m.Key != want.Key || m.ETag != want.ETag || m.Millis != want.Millis || m.Writer != want.Writer {
		t.Errorf("metadata %+v, want %+v", m, want)
	}
	if (m.Part == nil) != (want.PartNumber == nil) || m.Part != nil && *m.Part != *want.PartNumber {
		t.Error("another part number")
	}
	checksum := map[string]string{}
	if m.Checksum != nil {
		checksum = map[string]string{"algorithm": m.Checksum.Algorithm, "type": m.Checksum.Type, "value": m.Checksum.Value}
		if m.Checksum.PartValue != "" {
			checksum["part_value"] = m.Checksum.PartValue
		}
	}
	if !maps.Equal(checksum, want.Checksum) {
		t.Errorf("checksum %v, want %v", checksum, want.Checksum)
	}
	if headers := inHex(m.Headers, m.HeadersRaw); !maps.Equal(headers, want.Headers) {
		t.Errorf("headers %v, want %v", headers, want.Headers)
	}
	if user := inHex(m.UserData, m.UserDataRaw); !maps.Equal(user, want.UserData) {
		t.Errorf("user metadata %v, want %v", user, want.UserData)
	}
	if !slices.Equal(got.Parts, v.Parts) {
		t.Errorf("parts %v, want %v", got.Parts, v.Parts)
	}
}
