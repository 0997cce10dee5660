package vault

import (
	"crypto/rand"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"sallyport/config/secret"
)

const (
	minPasswordLength   = 12
	maxPasswordBytes    = 1024
	minDistinct         = 5
	minUnpredictable    = 8
	shortestRun         = 4
	passphraseWords     = 6
	passphraseSyllables = 5
)

// WeakPasswordError says why a password was refused. It does not repeat the password.
type WeakPasswordError struct{ Reason string }

// Error says what is wrong and what to do.
func (e *WeakPasswordError) Error() string {
	return "the password is too easy to guess: " + e.Reason + "; whoever copies the vault file can try passwords without limit, so use a longer one, such as several words drawn by chance; Enter at the prompt of sallyport vault passwd makes one"
}

// PasswordTextError says why a text cannot be a password. It does not repeat it.
type PasswordTextError struct{ Reason string }

// Error says what is wrong.
func (e *PasswordTextError) Error() string { return "this text cannot be a password: " + e.Reason }

// checkPasswordText refuses what could be stored and then not be given again: at a prompt that takes both, 64 hex digits are a key, and a line
// break ends the answer.
func checkPasswordText(text string) error {
	switch key, err := ParseRecoveryKey(text); {
	case err == nil:
		key.Clear()
		return &PasswordTextError{Reason: "it is 64 hex digits, which a prompt takes for a 64-digit key; give it as one for a new vault (--key-file, or unlock.key_file of a configuration), or choose another"}
	case !utf8.ValidString(text):
		return &PasswordTextError{Reason: "it is not valid UTF-8"}
	case len(text) > maxPasswordBytes:
		return &PasswordTextError{Reason: fmt.Sprintf("it is longer than %d bytes, which cannot be meant", maxPasswordBytes)}
	case strings.ContainsFunc(text, unicode.IsControl):
		return &PasswordTextError{Reason: "it holds a line break or another character that nobody can type at a prompt; of a file only one line ending at its end does not count"}
	}
	return nil
}

// commonPieces are what guessing programs try first, after lower-casing and undoing digits that stand for letters. Longer pieces come
// before those they contain.
func commonPieces() []string {
	return []string{
		"sallyport", "passphrase", "password", "passwort", "passord", "contrasena", "motdepasse", "administrator", "iloveyou", "trustno", "changeme",
		"sunshine", "princess", "football", "baseball", "superman", "starwars", "whatever", "internet", "computer", "letmein", "welcome", "default",
		"charlie", "michael", "jennifer", "batman", "dragon", "monkey", "master", "shadow", "freedom", "hunter", "summer", "winter", "spring", "autumn",
		"secret", "backup", "server", "cloud", "login", "admin", "access", "hello", "qwertz", "qwerty", "azerty", "test", "root", "user", "guest", "pass",
	}
}

// keyboardRows are read in both directions.
func keyboardRows() []string {
	return []string{"1234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "qsdfghjklm", "zxcvbnm", "yxcvbnm", "wxcvbn", "abcdefghijklmnopqrstuvwxyz", "1qaz2wsx3edc4rfv5tgb6yhn"}
}

// CheckPassword refuses with [WeakPasswordError] a password that guessing programs would reach early: shorter than 12 characters, of
// few different characters, a repetition, or with fewer than 8 characters left once every well-known word, keyboard row, repeated
// character and year counts as one. It is a plain rule, not a measurement: a quotation passes it, and is still guessable. What could not be given
// again at a prompt it refuses with [PasswordTextError].
func CheckPassword(password secret.String) error {
	if password.IsZero() {
		return errNoPassword
	}
	if err := checkPasswordText(password.Reveal()); err != nil {
		return err
	}
	text := []rune(norm.NFC.String(password.Reveal()))
	if len(text) < minPasswordLength {
		return &WeakPasswordError{Reason: fmt.Sprintf("it has %d characters, at least %d are needed", len(text), minPasswordLength)}
	}
	distinct := map[rune]bool{}
	for _, r := range text {
		distinct[r] = true
	}
	if len(distinct) < minDistinct {
		return &WeakPasswordError{Reason: fmt.Sprintf("it consists of only %d different characters", len(distinct))}
	}
	if repeats(text) {
		return &WeakPasswordError{Reason: "it repeats itself"}
	}
	if unpredictable(string(text)) < minUnpredictable {
		return &WeakPasswordError{Reason: "most of it is well-known words, keyboard rows, repeated characters or a year"}
	}
	return nil
}

// minKeyDigits is how many different digits of the sixteen a key has at least. Of random ones not one in 10^18 has fewer.
const minKeyDigits = 8

// ErrKeyNotRandom is about a 64-digit key that somebody made up: no password's slow hash stands before it.
var ErrKeyNotRandom = fmt.Errorf("this 64-digit key was not drawn at random: it has fewer than %d different digits; sallyport key new draws one", minKeyDigits)

// CheckRecoveryKey refuses with [ErrKeyNotRandom] a key that is plainly made up, such as one digit again and again. It finds slips and
// placeholders, no more.
func CheckRecoveryKey(key RecoveryKey) error {
	text, different := key.Reveal(), 0
	for _, digit := range "0123456789abcdef" {
		if strings.ContainsRune(text, digit) {
			different++
		}
	}
	if different < minKeyDigits {
		return ErrKeyNotRandom
	}
	return nil
}

// repeats reports whether text is one shorter piece again and again, its last repetition possibly cut.
func repeats(text []rune) bool {
	for period := 1; period <= len(text)/2; period++ {
		same := true
		for i := period; i < len(text); i++ {
			if text[i] != text[i-period] {
				same = false
				break
			}
		}
		if same {
			return true
		}
	}
	return false
}

// unpredictable counts characters, each predictable piece as one.
func unpredictable(text string) int {
	plain := strings.Map(plainLetter, strings.ToLower(text))
	raw := []rune(strings.ToLower(text))
	letters := []rune(plain)
	count := 0
	for i := 0; i < len(letters); count++ {
		i += max(1, pieceAt(letters[i:]), runAt(raw[i:]), yearAt(raw[i:]))
	}
	return count
}

func plainLetter(r rune) rune {
	switch r {
	case '0':
		return 'o'
	case '1', '!', '|':
		return 'i'
	case '3', '€':
		return 'e'
	case '4', '@':
		return 'a'
	case '5', '$':
		return 's'
	case '7', '+':
		return 't'
	}
	return r
}

func pieceAt(letters []rune) int {
	text := string(letters[:min(len(letters), 16)])
	for _, piece := range commonPieces() {
		if strings.HasPrefix(text, piece) {
			return len(piece)
		}
	}
	return 0
}

// runAt is the length of the keyboard row, alphabet or repeated character that text begins with, if it is long enough to be one.
func runAt(text []rune) int {
	longest := 1
	for longest < len(text) && text[longest] == text[0] {
		longest++
	}
	for _, row := range keyboardRows() {
		longest = max(longest, along([]rune(row), text, 1), along([]rune(row), text, -1))
	}
	if longest < shortestRun {
		return 0
	}
	return longest
}

// along counts how far text follows row from wherever it starts in it.
func along(row, text []rune, step int) int {
	best := 0
	for start := range row {
		n := 0
		for at := start; at >= 0 && at < len(row) && n < len(text) && row[at] == text[n]; at += step {
			n++
		}
		best = max(best, n)
	}
	return best
}

// yearAt recognises 1900 to 2099.
func yearAt(text []rune) int {
	if len(text) >= 4 && (text[0] == '1' && text[1] == '9' || text[0] == '2' && text[1] == '0') && unicode.IsDigit(text[2]) && unicode.IsDigit(text[3]) {
		return 4
	}
	return 0
}

// SuggestPassphrase draws six pronounceable made-up words, consonant and vowel in turn, joined by dashes: 99 bits, more than six words
// out of the usual list of 7,776, without such a list.
func SuggestPassphrase() secret.String {
	const consonants, vowels = "bdfghjklmnprstvz", "aeiou"
	var phrase strings.Builder
	for word := range passphraseWords {
		if word > 0 {
			phrase.WriteByte('-')
		}
		for letter := range passphraseSyllables {
			alphabet := consonants
			if letter%2 == 1 {
				alphabet = vowels
			}
			phrase.WriteByte(alphabet[uniform(len(alphabet))])
		}
	}
	return secret.NewString(phrase.String())
}

// uniform draws a number below limit, each equally likely.
func uniform(limit int) int {
	fair := 256 / limit * limit
	var drawn [1]byte
	for {
		_, _ = rand.Read(drawn[:])
		if int(drawn[0]) < fair {
			return int(drawn[0]) % limit
		}
	}
}
