package format

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestParseKeepsOrderTypesAndText(t *testing.T) {
	v, err := ParseObject([]byte(" {\"s\":\"a\\n\\u00e4\\ud83d\\udddd\\/\" , \"i\":-12,\"o\":{\"x\":\"y\"},\"l\":[1,{\"a\":2}],\"f\":1.5,\"t\":true,\"n\":null}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, m := range v.Members {
		keys = append(keys, m.Key)
	}
	if got := strings.Join(keys, ""); got != "siolftn" {
		t.Errorf("keys %s", got)
	}
	if s := v.Members[0].Value; s.Kind != String || s.Text != "a\nä🗝/" {
		t.Errorf("string %+v", s)
	}
	if i := v.Members[1].Value; i.Kind != Int || i.Number != -12 || string(i.Raw) != "-12" {
		t.Errorf("integer %+v", i)
	}
	if o := v.Members[2].Value; o.Kind != Object || o.Members[0].Value.Text != "y" || string(o.Raw) != `{"x":"y"}` {
		t.Errorf("object %+v", o)
	}
	for _, m := range v.Members[3:] {
		if m.Value.Kind != Other {
			t.Errorf("%s is of kind %d", m.Key, m.Value.Kind)
		}
	}
}

func TestParseSharesNoMemory(t *testing.T) {
	text := []byte(`{"a":[1,2]}`)
	v, err := ParseObject(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if string(v.Members[0].Value.Raw) != "[1,2]" {
		t.Error("the value changed with the text")
	}
}

func TestDuplicatesAreRefusedAtEveryDepth(t *testing.T) {
	for _, text := range []string{`{"a":1,"a":1}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"b":2}]}`, `{"a":1,"\u0061":2}`} {
		if _, err := ParseObject([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	if _, err := ParseObject([]byte(`{"a":1,"A":2,"b":{"a":1}}`)); err != nil {
		t.Error("different keys were refused")
	}
}

func TestDepthIsBounded(t *testing.T) {
	nest := func(n int) []byte {
		return []byte(`{"a":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) + `}`)
	}
	if _, err := ParseObject(nest(maxDepth)); err != nil {
		t.Error("allowed depth was refused")
	}
	if _, err := ParseObject(nest(maxDepth + 1)); err == nil {
		t.Error("too deep a text was taken")
	}
	if _, err := ParseObject(nest(1 << 20)); err == nil {
		t.Error("far too deep a text was taken")
	}
}

func TestEncoderWritesWhatTheStandardReads(t *testing.T) {
	all := make([]byte, 0, 128)
	for c := range byte(128) {
		all = append(all, c)
	}
	var e Encoder
	e.Str("s", string(all)+"ä\u2028🗝")
	e.Int("i", -5)
	e.Bytes("b", []byte{0xff, 0xfe})
	e.Bool("t", true)
	e.Map("m", map[string]string{"b": "2", "a": "1"})
	e.BytesMap("x", map[string]string{"c": "\xff"})
	e.Raw("r", []byte(`[1,2]`))
	text := e.Finish()
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want := map[string]any{
		"s": string(all) + "ä\u2028🗝", "i": -5.0, "b": "//4=", "t": true, "m": map[string]any{"a": "1", "b": "2"}, "x": map[string]any{"c": "/w=="}, "r": []any{1.0, 2.0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if bytes.Contains(text, []byte(`\u003c`)) || !bytes.Contains(text, []byte(`"m":{"a":"1","b":"2"}`)) {
		t.Fatalf("%s", text)
	}
	var none Encoder
	if string(none.Finish()) != "{}" {
		t.Error("an empty object is not {}")
	}
}

func TestBase64IsStrict(t *testing.T) {
	for _, s := range []string{"AA", "AA=", "AB==", "AA==\n", "A\r\nA==", "A A=", "_w==", "AA==AA=="} {
		if _, ok := DecodeBase64(s); ok {
			t.Errorf("%q was taken", s)
		}
	}
	for s, want := range map[string]string{"": "", "AA==": "\x00", "/+8=": "\xff\xef"} {
		if got, ok := DecodeBase64(s); !ok || string(got) != want {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestFieldsRememberTheFirstFault(t *testing.T) {
	read := func(text string) *Fields {
		v, err := ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return NewFields(v)
	}
	f := read(`{"s":"x","i":7,"b":"AA==","m":{"a":"b"},"left":1}`)
	if f.Str("s") != "x" || f.Int("i") != 7 || !bytes.Equal(f.Bytes("b", 1), []byte{0}) || f.Map("m")["a"] != "b" || f.OptionalStr("none") != "" {
		t.Error("fields were misread")
	}
	left, err := f.Unknown()
	if err != nil || len(left) != 1 || left[0].Key != "left" {
		t.Errorf("%v, %v", left, err)
	}
	for name, do := range map[string]func(f *Fields){
		"missing string":  func(f *Fields) { f.Str("none") },
		"missing integer": func(f *Fields) { f.Int("none") },
		"missing bytes":   func(f *Fields) { f.Bytes("none", 1) },
		"wrong kind":      func(f *Fields) { f.Str("i") },
		"negative":        func(f *Fields) { f.Int("neg") },
		"wrong length":    func(f *Fields) { f.Bytes("b", 2) },
		"map of numbers":  func(f *Fields) { f.Map("m") },
		"map as string":   func(f *Fields) { f.Map("s") },
	} {
		f := read(`{"s":"x","i":7,"b":"AA==","m":{"a":1},"neg":-1}`)
		do(f)
		if _, err := f.Unknown(); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := read(`{"X":1}`).Unknown(); err == nil {
		t.Error("an unknown upper-case field was ignored")
	}
}

// FuzzParseObject holds the reader to the standard library, which is laxer: what is taken here, it takes too and as the same.
func FuzzParseObject(f *testing.F) {
	f.Add([]byte(`{"a":"b\u00e4","c":[1,-2.5e+3,true],"d":{"e":null}}`))
	f.Add([]byte(`{"a":"\ud800"}`))
	f.Add([]byte("{\"a\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseObject(text)
		if err != nil {
			return
		}
		var std map[string]json.RawMessage
		if err := json.Unmarshal(text, &std); err != nil {
			t.Fatalf("%q was taken and is no JSON: %v", text, err)
		}
		if len(std) != len(v.Members) {
			t.Fatalf("%q: %d members, the standard library finds %d", text, len(v.Members), len(std))
		}
		var e Encoder
		for _, m := range v.Members {
			var s string
			if json.Unmarshal(std[m.Key], &s) == nil && m.Value.Kind == String && s != m.Value.Text {
				t.Fatalf("%q: %q, the standard library reads %q", text, m.Value.Text, s)
			}
			e.Raw(m.Key, m.Value.Raw)
		}
		again, err := ParseObject(e.Finish())
		if err != nil || !reflect.DeepEqual(again.Members, v.Members) {
			t.Fatalf("%q does not survive being written: %v", text, err)
		}
	})
}
