package keys

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func ascending(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func testVRK(t *testing.T) VRK {
	t.Helper()
	k, err := ParseVRK(ascending(0, Size))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestDerivations holds the derivations to values that were computed with another language from the specification.
func TestDerivations(t *testing.T) {
	vrk := testVRK(t)
	customer, err := ParseCustomerKey(ascending(200, Size))
	if err != nil {
		t.Fatal(err)
	}
	vault, salt := [16]byte(ascending(0, 16)), [32]byte(ascending(100, 32))
	object := VaultObjectSecret(vrk, vault, 0x01020304, salt)
	for name, c := range map[string]struct {
		got  *[Size]byte
		want string
	}{
		"obj":    {vrk.ObjectKey().Reveal(), "d9a3051025af2d81a76cbfc70e66fda33c4092f8ac9eec9b74f91160020250d2"},
		"state":  {vrk.StateKey().Reveal(), "1c691bc3e3eac812119aeef356c83d0f43be2e857bf5264d993df54ea8d2e5e8"},
		"record": {vrk.RecordKey().Reveal(), "393d65a906f6e115a20758d610784ce2e7b76bda194f5fa59e7cdb40e15f6b17"},
		"cache":  {vrk.CacheKey().Reveal(), "e3849245af4189687079ddd32caeb7970ca39ca746d00102decbe5c901b85109"},
		"chain":  {vrk.ChainKey().Reveal(), "a66de918f94147aff49610a2db4fdee365c3a42ade6133b5e97ee9cbe60ff10e"},
		"pin":    {vrk.PinKey().Reveal(), "455323c5eff77c5b44497ae34a5c02372b26ddb5baa6663c3907d66e90d57476"},
		"os-v":   {object.Reveal(), "656d61f4623b56a36c3d69e2d6ea840ef08eeed6159cbf5ce492e24bb51f4324"},
		"os-c":   {CustomerObjectSecret(customer, salt).Reveal(), "5d7eae9d7179e03dbd1c60855d7fbdf0d29d38cea682c9a478507742066b67ea"},
		"frame":  {object.FrameKey().Reveal(), "e30c743a36ffb62d7cf1ae6652315b9a4edc068701d1a691c904cfa171967840"},
		"table":  {object.TableKey().Reveal(), "d7d8a2f980677b1b846aebf8b3a48a6dfffcf106d79a768f2d29f3c27a4105ee"},
		"tail":   {object.TailKey().Reveal(), "811fc3b02f91e6f8bd0747e76cf077e8773c55cf97014c6231e1560b93f206f0"},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := vrk.ObjectKey().Secret(vault, 0x01020304, salt); !got.Equal(object) {
		t.Error("two ways to one secret differ")
	}
}

func TestEveryInputOfAnObjectSecretCounts(t *testing.T) {
	vrk := testVRK(t)
	base := VaultObjectSecret(vrk, [16]byte{}, 1, [32]byte{})
	for name, other := range map[string]ObjectSecret{
		"key":   VaultObjectSecret(NewVRK(), [16]byte{}, 1, [32]byte{}),
		"vault": VaultObjectSecret(vrk, [16]byte{15: 1}, 1, [32]byte{}),
		"epoch": VaultObjectSecret(vrk, [16]byte{}, 2, [32]byte{}),
		"salt":  VaultObjectSecret(vrk, [16]byte{}, 1, [32]byte{31: 1}),
	} {
		if base.Equal(other) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

// TestKeysNeverShowThemselves prints keys, alone and deep inside other values, in every way there is.
func TestKeysNeverShowThemselves(t *testing.T) {
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	vrk, err := ParseVRK(raw)
	if err != nil {
		t.Fatal(err)
	}
	customer, err := ParseCustomerKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	table, err := ParseTableKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	vnk, err := ParseVNK(append(raw, raw...))
	if err != nil {
		t.Fatal(err)
	}
	type nested struct {
		hidden VRK
		names  VNK
		Shown  CustomerKey
		Ptr    *TableKey
		Map    map[string]VRK
	}
	values := []any{vrk, &vrk, customer, table, vnk, &vnk, []VRK{vrk}, nested{vrk, vnk, customer, &table, map[string]VRK{"a": vrk}}, &nested{hidden: vrk}}
	shown := func(s string) bool {
		for _, form := range []string{string(raw[:8]), hex.EncodeToString(raw[:8]), strings.ToUpper(hex.EncodeToString(raw[:8])), "48 49 50 51", "48, 49, 50", "0x30, 0x31", "MDEyMzQ1"} {
			if strings.Contains(s, form) {
				return true
			}
		}
		return false
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b"} {
			if s := fmt.Sprintf(verb, v); shown(s) {
				t.Errorf("%s of %T shows the key: %s", verb, v, s)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		if shown(log.String()) {
			t.Errorf("log of %T shows the key: %s", v, log.String())
		}
		text, err := json.Marshal(v)
		if err == nil && shown(string(text)) {
			t.Errorf("JSON of %T shows the key: %s", v, text)
		}
		if m, ok := v.(encoding.TextMarshaler); ok {
			if text, err := m.MarshalText(); err != nil || string(text) != redacted {
				t.Errorf("text of %T: %s, %v", v, text, err)
			}
		}
	}
	if s := fmt.Sprint(vrk); s != redacted {
		t.Errorf("a key prints as %s", s)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestAKeyThatWasNeverSetCannotBeUsed(t *testing.T) {
	mustPanic(t, "deriving", func() { VRK{}.ObjectKey() })
	mustPanic(t, "revealing", func() { TailKey{}.Reveal() })
	mustPanic(t, "comparing", func() { VRK{}.Equal(VRK{}) })
	mustPanic(t, "revealing names", func() { VNK{}.Reveal() })
	VRK{}.Clear()
	VNK{}.Clear()
	if !(VRK{}).IsZero() || !(VNK{}).IsZero() || NewVRK().IsZero() || NewVNK().IsZero() {
		t.Error("IsZero does not tell set from unset")
	}
}

func TestClearReachesEveryCopy(t *testing.T) {
	k := NewVRK()
	kept := k
	k.Clear()
	if *kept.Reveal() != [Size]byte{} {
		t.Error("a copy still holds the key")
	}
	n := NewVNK()
	names := n
	n.Clear()
	if *names.Reveal() != [VNKSize]byte{} {
		t.Error("a copy still holds the name key")
	}
}

func TestParsingCopiesAndChecksTheLength(t *testing.T) {
	raw := ascending(1, Size)
	k, err := ParseVRK(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	if !bytes.Equal(k.Reveal()[:], ascending(1, Size)) {
		t.Error("the key shares memory with its source")
	}
	for _, n := range []int{0, 31, 33, 63, 65} {
		b := make([]byte, n)
		_, e1 := ParseVRK(b)
		_, e2 := ParseCustomerKey(b)
		_, e3 := ParseTableKey(b)
		_, e4 := ParseTailKey(b)
		_, e5 := ParsePinKey(b)
		_, e6 := ParseVNK(b)
		for i, err := range []error{e1, e2, e3, e4, e5, e6} {
			if !errors.Is(err, ErrSize) {
				t.Errorf("parser %d took %d bytes", i, n)
			}
		}
	}
}

func TestEqual(t *testing.T) {
	a, b := NewVRK(), NewVRK()
	if !a.Equal(a) || a.Equal(b) {
		t.Error("root keys")
	}
	if !a.PinKey().Equal(a.PinKey()) || a.PinKey().Equal(b.PinKey()) {
		t.Error("pins")
	}
	n, m := NewVNK(), NewVNK()
	if !n.Equal(n) || n.Equal(m) {
		t.Error("name keys")
	}
	s, o := VaultObjectSecret(a, [16]byte{}, 0, [32]byte{}), VaultObjectSecret(b, [16]byte{}, 0, [32]byte{})
	if !s.TableKey().Equal(s.TableKey()) || s.TableKey().Equal(o.TableKey()) || !s.TailKey().Equal(s.TailKey()) || s.TailKey().Equal(o.TailKey()) {
		t.Error("table or tail keys")
	}
}

func TestSizedFields(t *testing.T) {
	if got := AppendSized([]byte("x"), []byte("abc")); string(got) != "x\x00\x03abc" {
		t.Errorf("%q", got)
	}
	mustPanic(t, "a field above 65535 bytes", func() { AppendSized(nil, make([]byte, 65536)) })
	if got := Label("word"); string(got) != "sallyport/v1/word\x00" {
		t.Errorf("%q", got)
	}
}
