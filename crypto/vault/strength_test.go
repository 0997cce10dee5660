package vault_test

import (
	"errors"
	"strings"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

func TestWeakPasswordsAreRefusedWithAReason(t *testing.T) {
	for password, reason := range map[string]string{
		"short":                "it has 5 characters",
		"elevenchars":          "it has 11 characters",
		"äöüäöüßß123":          "it has 11 characters",
		"aaaaaaaaaaaaaaa":      "only 1 different",
		"abababababab":         "only 2 different",
		"abcd abcd abcd":       "it repeats itself",
		"tr0ub tr0ub tr0":      "it repeats itself",
		"password12345":        "well-known",
		"P@ssw0rd!P@ssw0rd?":   "well-known",
		"Password2026!":        "well-known",
		"qwertyuiop123":        "well-known",
		"1234567890qwertz":     "well-known",
		"abcdefghijklmnop":     "well-known",
		"zyxwvutsrqponm":       "well-known",
		"letmeinletmein1":      "well-known",
		"MyBackupPassword":     "well-known",
		"sallyport-admin-2026": "well-known",
		"iloveyou!!!!!!!!2":    "well-known",
	} {
		err := vault.CheckPassword(secret.NewString(password))
		weak, ok := errors.AsType[*vault.WeakPasswordError](err)
		if !ok || !strings.Contains(weak.Reason, reason) {
			t.Errorf("%q: %v, want %q", password, err, reason)
		}
		if err != nil && len(password) > 6 && strings.Contains(err.Error(), password) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	if err := vault.CheckPassword(secret.String{}); err == nil {
		t.Error("an empty password passed")
	}
}

// TestTextsThatCouldNotBeGivenAgain: a vault whose password is refused where it is typed is as good as lost to whoever has only the password.
func TestTextsThatCouldNotBeGivenAgain(t *testing.T) {
	key := vault.NewRecoveryKey().Reveal()
	for password, reason := range map[string]string{
		key: "64 hex digits", strings.ReplaceAll(key, " ", ""): "64 hex digits", strings.ToUpper(strings.ReplaceAll(key, " ", "-")): "64 hex digits",
		"\xff\xfe binary things": "UTF-8", strings.Repeat("xk3 ", 300): "longer than",
		"correct horse\nbattery staple": "line break", "correct horse battery staple\n": "line break", "correct\x00horse battery": "line break",
	} {
		err := vault.CheckPassword(secret.NewString(password))
		text, ok := errors.AsType[*vault.PasswordTextError](err)
		if !ok || !strings.Contains(text.Reason, reason) {
			t.Errorf("%q: %v, want %q", password, err, reason)
		} else if strings.Contains(err.Error(), password) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestKeysThatNobodyDrew(t *testing.T) {
	for _, text := range []string{strings.Repeat("0", 64), strings.Repeat("deadbeef", 8), strings.Repeat("1234", 16), strings.Repeat("0123456", 9) + "0"} {
		key, err := vault.ParseRecoveryKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := vault.CheckRecoveryKey(key); !errors.Is(err, vault.ErrKeyNotRandom) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for range 1000 {
		if err := vault.CheckRecoveryKey(vault.NewRecoveryKey()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoodPasswordsPass(t *testing.T) {
	for _, password := range []string{
		goodPassword, otherPassword, "correct horse battery staple", "gT7#pQ2!xV9z", "пароль который я помню", "夕焼けの空に鳥が三羽飛んでいる", "my dog Rex barks at 5 cats",
	} {
		if err := vault.CheckPassword(secret.NewString(password)); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestSuggestedPassphrasesPassAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]int{}
	for range 500 {
		phrase := vault.SuggestPassphrase()
		if err := vault.CheckPassword(phrase); err != nil {
			t.Errorf("%s: %v", phrase.Reveal(), err)
		}
		words := strings.Split(phrase.Reveal(), "-")
		if len(words) != 6 || len(phrase.Reveal()) != 35 || seen[phrase.Reveal()] {
			t.Errorf("%q", phrase.Reveal())
		}
		seen[phrase.Reveal()] = true
		for _, r := range phrase.Reveal() {
			letters[r]++
		}
	}
	// 16 consonants, 5 vowels and the dash.
	if len(letters) != 22 {
		t.Errorf("%d different letters", len(letters))
	}
}
