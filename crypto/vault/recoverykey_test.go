package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sallyport/crypto/vault"
)

const (
	digits  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	grouped = "0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"
)

func TestParseRecoveryKeyForms(t *testing.T) {
	want, err := vault.ParseRecoveryKey(digits)
	if err != nil {
		t.Fatal(err)
	}
	if want.Reveal() != grouped {
		t.Errorf("shown as %q", want.Reveal())
	}
	for _, form := range []string{
		grouped, strings.ToUpper(digits), strings.ReplaceAll(grouped, " ", "-"), strings.ReplaceAll(grouped, " ", "–"), "  " + grouped + "\r\n",
		strings.ReplaceAll(grouped, " ", "\n"), strings.ReplaceAll(grouped, " ", "\u00a0"), "\ufeff" + digits, "-" + digits + "-",
	} {
		got, err := vault.ParseRecoveryKey(form)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v", form, err)
		}
	}
}

func TestParseRecoveryKeyErrorsHelpAndHide(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "it has 0 digits, 64 are missing",
		digits[:63]:                          "it has 63 digits, 1 are missing",
		digits + "0":                         "it has 65 digits, 1 too many",
		strings.Repeat(digits, 1000):         "too many",
		"O" + digits[1:]:                     "character 1 (digit 1 of group 1)",
		digits[:16] + "g" + digits[17:]:      "character 17 (digit 1 of group 5)",
		grouped[:len(grouped)-1] + "z":       "character 79 (digit 4 of group 16)",
		grouped[:5] + "ä" + grouped[6:]:      "character 6 (digit 1 of group 2)",
		"correct horse battery staple":       "character 2",
		digits[:32] + "\x00" + digits[33:]:   "character 33",
		digits[:32] + "\xff" + digits[33:]:   "character 33",
		"violet kettle orbit 93 " + digits:   "character 1 ",
		strings.Replace(digits, "0", "０", 1): "character 1 ",
	} {
		key, err := vault.ParseRecoveryKey(text)
		if !errors.Is(err, vault.ErrRecoveryKeyText) || !strings.Contains(fmt.Sprint(err), want) || !key.IsZero() {
			t.Errorf("%.20q: %v, want %q in it", text, err, want)
			continue
		}
		for _, piece := range []string{"abcdef", "4567", "violet", "correct", "ä", "O1"} {
			if strings.Contains(text, piece) && strings.Contains(err.Error(), piece) {
				t.Errorf("the error repeats what was typed: %v", err)
			}
		}
	}
}

func TestRecoveryKeyIsRandomAndHidden(t *testing.T) {
	a, b := vault.NewRecoveryKey(), vault.NewRecoveryKey()
	if a.Equal(b) || a.IsZero() {
		t.Error("two fresh keys are alike")
	}
	again, err := vault.ParseRecoveryKey(a.Reveal())
	if err != nil || !again.Equal(a) {
		t.Errorf("a shown key does not read back: %v", err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", a, "in", struct{ k vault.RecoveryKey }{a})
	encoded, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(encoded) + log.String()
	for _, value := range []any{a, &a, struct{ k vault.RecoveryKey }{a}, &struct{ k vault.RecoveryKey }{a}, vault.Options{RecoveryKey: a}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			shown += fmt.Sprintf(verb, value)
		}
	}
	raw := strings.ReplaceAll(a.Reveal(), " ", "")
	for _, form := range []string{raw[:16], strings.ToUpper(raw[:16]), a.Reveal()[:19]} {
		if strings.Contains(shown, form) {
			t.Errorf("printing shows the key: %s", shown)
		}
	}
	held := a
	a.Clear()
	if !held.IsZero() {
		t.Error("a copy outlived Clear")
	}
}

func FuzzParseRecoveryKey(f *testing.F) {
	f.Add(digits)
	f.Add(grouped)
	f.Add("０")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := vault.ParseRecoveryKey(text)
		if (err == nil) == key.IsZero() {
			t.Errorf("%v, %v", key.IsZero(), err)
		}
		if err != nil {
			return
		}
		again, err := vault.ParseRecoveryKey(key.Reveal())
		if err != nil || !again.Equal(key) {
			t.Errorf("does not read back: %v", err)
		}
	})
}
