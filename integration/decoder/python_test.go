package decoder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const (
	python      = "/usr/bin/python3"
	installHint = "the second decoder needs " + python + " with the package cryptography: apt-get install python3-cryptography"
)

// job is what decoder.py is asked, one a line. Keys are hex.
type job struct {
	File        string `json:"file"`
	Out         string `json:"out,omitempty"`
	Kind        string `json:"kind,omitempty"`
	Vault       string `json:"vault"`
	Epoch       uint32 `json:"epoch"`
	RootKey     string `json:"vrk,omitempty"`
	CustomerKey string `json:"customer_key,omitempty"`
	Upload      string `json:"upload,omitempty"`
	Part        int    `json:"part,omitempty"`
}

// answer is what decoder.py makes of a job.
type answer struct {
	Result         string         `json:"result"`
	Why            string         `json:"why"`
	Metadata       *tail          `json:"metadata"`
	Parts          []tablePart    `json:"parts"`
	Note           map[string]any `json:"note"`
	Released       int64          `json:"released"`
	ReleasedSHA256 string         `json:"released_sha256"`
}

// tail is the metadata with the names of FORMAT.md section 2.
type tail struct {
	Plain    int64  `json:"p"`
	Frames   int    `json:"n"`
	Part     *int   `json:"pn"`
	Bucket   string `json:"b"`
	Key      string `json:"k"`
	ETag     string `json:"e"`
	Checksum *struct {
		Algorithm string `json:"a"`
		Type      string `json:"t"`
		Value     string `json:"v"`
		PartValue string `json:"pv"`
	} `json:"ck"`
	Headers     map[string]string `json:"h"`
	HeadersRaw  map[string][]byte `json:"hx"`
	UserData    map[string]string `json:"m"`
	UserDataRaw map[string][]byte `json:"mx"`
	Millis      int64             `json:"t"`
	Writer      int64             `json:"w"`
}

type tablePart struct {
	Part     int    `json:"part"`
	Plain    int64  `json:"plain"`
	MD5      string `json:"md5"`
	Checksum string `json:"checksum"`
}

// needsPython leaves a test out in -short.
func needsPython(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out what needs real programs")
	}
}

// decode has one Python process do all jobs, in order.
func decode(t *testing.T, jobs []job) []answer {
	t.Helper()
	return decodeWith(t, "decoder.py", jobs)
}

// decodeWith does so with another script.
func decodeWith(t *testing.T, script string, jobs []job) []answer {
	t.Helper()
	var stdin, stderr bytes.Buffer
	lines := json.NewEncoder(&stdin)
	for _, j := range jobs {
		if err := lines.Encode(j); err != nil {
			t.Fatal(err)
		}
	}
	// -I keeps the user's own modules and environment out, -B writes no cache beside the source.
	cmd := exec.CommandContext(t.Context(), python, "-I", "-B", script)
	cmd.Stdin, cmd.Stderr = &stdin, &stderr
	stdout, err := cmd.Output()
	if err != nil {
		if _, ran := errors.AsType[*exec.ExitError](err); !ran || strings.Contains(stderr.String(), "No module named") {
			t.Fatalf("%s\n%v\n%s", installHint, err, stderr.String())
		}
		t.Fatalf("decoder.py: %v\n%s", err, stderr.String())
	}
	answers := make([]answer, 0, len(jobs))
	for decoder := json.NewDecoder(bytes.NewReader(stdout)); ; {
		var a answer
		if err := decoder.Decode(&a); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("answer %d: %v", len(answers), err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(jobs) {
		t.Fatalf("%d answers to %d jobs", len(answers), len(jobs))
	}
	return answers
}
