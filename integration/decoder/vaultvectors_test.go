package decoder

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vaultVector is a frozen vault file with what opens it and what must come of it.
type vaultVector struct {
	Comment     string `json:"comment"`
	File        string `json:"file"`
	RecoveryKey string `json:"recovery_key"`
	Password    string `json:"password"`
	Expect      string `json:"expect"`
	Pin         string `json:"pin"`
	RootKeys    []struct {
		Epoch uint64 `json:"e"`
		Key   []byte `json:"k"`
	} `json:"vrk"`
	NameKey []byte `json:"vnk"`
	Records []struct {
		Kind    string `json:"kind"`
		Key     string `json:"key"`
		Sealed  []byte `json:"sealed"`
		Content string `json:"content"`
	} `json:"records"`
}

// Each vector is opened with every secret that it names, separately.
func TestSecondReaderOpensEveryVaultVector(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root(t), "crypto", "vault", "testdata", "vectors", "*.json"))
	if err != nil || len(paths) < 90 {
		t.Fatalf("%d vectors, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var v vaultVector
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			tried := 0
			for _, secrets := range [][2]string{{v.RecoveryKey, ""}, {"", v.Password}} {
				if secrets != [2]string{} {
					tried++
					v.check(t, secrets[0], secrets[1])
				}
			}
			if tried == 0 {
				t.Error("the vector names nothing to open it with")
			}
		})
	}
}

func (v *vaultVector) check(t *testing.T, key, password string) {
	t.Helper()
	opened, err := openVault([]byte(v.File), key, password)
	if err == nil && v.Pin != "" {
		err = opened.checkPin([]byte(v.Pin))
	}
	outcome := "ok"
	if err != nil {
		outcome = err.Error()
	}
	if outcome != v.Expect {
		t.Fatalf("%s: got %s, want %s", v.Comment, outcome, v.Expect)
	}
	if err != nil {
		return
	}
	if len(opened.roots) != len(v.RootKeys) || !bytes.Equal(opened.names, v.NameKey) {
		t.Errorf("%s: %d epochs, want %d; or another name key", v.Comment, len(opened.roots), len(v.RootKeys))
	}
	for _, want := range v.RootKeys {
		if !bytes.Equal(opened.roots[want.Epoch], want.Key) {
			t.Errorf("another root key of epoch %d", want.Epoch)
		}
	}
	for _, record := range v.Records {
		content, err := opened.openRecord(record.Kind, record.Key, record.Sealed)
		if err != nil || string(content) != record.Content {
			t.Errorf("record %s: %q, %v", record.Key, content, err)
		}
		if _, err := opened.openRecord(record.Kind, record.Key+"x", record.Sealed); err == nil {
			t.Errorf("record %s opens in another place", record.Key)
		}
	}
}
