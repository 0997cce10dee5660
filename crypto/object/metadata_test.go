package object

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/format"
)

func fullMetadata() *Metadata {
	m := testMetadata()
	m.Plain, m.Frames, m.PartNumber = 12345, 1, new(7)
	m.FrameSalt, m.Commitment = [24]byte{1}, [32]byte{2}
	m.Checksum = &Checksum{Algorithm: "SHA256", Type: "COMPOSITE", Value: "abc-1", PartValue: "abc"}
	m.Headers["content-disposition"] = "gr\xf6\xdfe"
	m.UserMetadata = map[string]string{"text": "é\n\x00<&>\"\\", "bytes": "\xff\xfe", "empty": ""}
	m.Writer = 9
	return m
}

func TestMetadataRoundTrip(t *testing.T) {
	least := &Metadata{Bucket: "b", Key: "k", Frames: 3, Plain: 5, Time: time.UnixMilli(0).UTC()}
	for _, m := range []*Metadata{fullMetadata(), least} {
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeMetadata(append(text, make([]byte, 10)...))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("%+v came back as %+v", m, got)
		}
	}
}

func TestMetadataText(t *testing.T) {
	m := fullMetadata()
	text, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"p":12345,"n":1,"pn":7,"fs":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","fc":"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","b":"bucket","k":"key",` +
		`"e":"0123456789abcdef0123456789abcdef","ck":{"a":"SHA256","t":"COMPOSITE","v":"abc-1","pv":"abc"},"h":{"content-type":"text/plain"},` +
		`"hx":{"content-disposition":"Z3L232U="},"m":{"empty":"","text":"é\u000a\u0000<&>\"\\"},"mx":{"bytes":"//4="},"t":1790000000000,"w":9}`
	if string(text) != want {
		t.Fatalf("got\n%s\nwant\n%s", text, want)
	}
}

const validText = `{"p":1,"n":1,"pn":0,"fs":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","fc":"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","b":"b","k":"k","t":1,"w":0}`

func TestMetadataThatIsNotQuiteRightIsRefused(t *testing.T) {
	if _, err := decodeMetadata([]byte(validText)); err != nil {
		t.Fatal(err)
	}
	add := func(more string) string { return validText[:len(validText)-1] + "," + more + "}" }
	swap := func(old, new string) string {
		if !strings.Contains(validText, old) {
			t.Fatalf("%s is not in the text", old)
		}
		return strings.Replace(validText, old, new, 1)
	}
	for name, text := range map[string]string{
		"empty":                   ``,
		"array":                   `[]`,
		"empty object":            `{}`,
		"no size":                 swap(`"p":1,`, ``),
		"no time":                 swap(`"t":1,`, ``),
		"no writer":               swap(`,"w":0`, ``),
		"no bucket":               swap(`"b":"b",`, ``),
		"empty key":               swap(`"k":"k"`, `"k":""`),
		"negative size":           swap(`"p":1`, `"p":-1`),
		"size with fraction":      swap(`"p":1`, `"p":1.0`),
		"size with exponent":      swap(`"p":1`, `"p":1e0`),
		"size as string":          swap(`"p":1`, `"p":"1"`),
		"size of 49 bits":         swap(`"p":1`, `"p":281474976710656`),
		"size beyond int64":       swap(`"p":1`, `"p":18446744073709551617`),
		"no frames":               swap(`"n":1`, `"n":0`),
		"too many frames":         swap(`"n":1`, `"n":10001`),
		"part number of several":  swap(`"n":1`, `"n":2`),
		"no part number of one":   swap(`"pn":0,`, ``),
		"part number out of it":   swap(`"pn":0`, `"pn":10001`),
		"salt too short":          swap(`"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`, `"AQAA"`),
		"salt not padded":         swap(`AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=`, `AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`),
		"stray bits":              swap(`AAAAAAAAAAA=`, `AAAAAAAAAAB=`),
		"line break in base64":    swap(`"AQAA`, `"AQ\nAA`),
		"time after the year":     swap(`"t":1`, `"t":253402300800000`),
		"case-folded key":         add(`"B":"x"`),
		"duplicate key":           add(`"b":"b"`),
		"duplicate by escape":     add(`"\u0062":"b"`),
		"unknown upper-case":      add(`"Zz":1`),
		"unknown digit":           add(`"1":1`),
		"unknown empty":           add(`"":1`),
		"headers as string":       add(`"h":"x"`),
		"header as number":        add(`"h":{"a":1}`),
		"header twice":            add(`"h":{"a":"1","a":"2"}`),
		"header as text and raw":  add(`"h":{"a":"1"},"hx":{"a":"/w=="}`),
		"raw header not base64":   add(`"hx":{"a":"?"}`),
		"checksum as string":      add(`"ck":"x"`),
		"checksum without value":  add(`"ck":{"a":"SHA1","t":"FULL_OBJECT"}`),
		"value of no only part":   add(`"ck":{"a":"SHA1","t":"FULL_OBJECT","v":"x","pv":"x"}`),
		"no value of only part":   swap(`"pn":0`, `"pn":1,"ck":{"a":"SHA1","t":"COMPOSITE","v":"x"}`),
		"empty value of it":       swap(`"pn":0`, `"pn":1,"ck":{"a":"SHA1","t":"COMPOSITE","v":"x","pv":""}`),
		"checksum upper-case":     add(`"ck":{"a":"SHA1","t":"FULL_OBJECT","v":"x","V":"y"}`),
		"ETag null":               add(`"e":null`),
		"nested too deep":         add(`"z":` + strings.Repeat("[", 50) + strings.Repeat("]", 50)),
		"leading zero":            swap(`"p":1`, `"p":01`),
		"plus sign":               swap(`"p":1`, `"p":+1`),
		"trailing comma":          swap(`"w":0`, `"w":0,`),
		"second object":           validText + validText,
		"text behind":             validText + "\x00 x",
		"control byte":            swap(`"k":"k"`, "\"k\":\"\x01\""),
		"invalid UTF-8":           swap(`"k":"k"`, "\"k\":\"\xff\""),
		"lone surrogate":          swap(`"k":"k"`, `"k":"\udc00"`),
		"unfinished surrogate":    swap(`"k":"k"`, `"k":"\ud800\u0041"`),
		"unknown escape":          swap(`"k":"k"`, `"k":"\x41"`),
		"unfinished":              validText[:len(validText)-1],
		"byte order mark":         "\ufeff" + validText,
		"NaN":                     add(`"z":NaN`),
		"number without fraction": add(`"z":1.`),
		"number without exponent": add(`"z":1e`),
		"single minus":            add(`"z":-`),
	} {
		if m, err := decodeMetadata([]byte(text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s was taken: %+v, %v", name, m, err)
		}
	}
}

func TestUnknownFieldsSurviveARewrite(t *testing.T) {
	text := validText[:len(validText)-1] + `,"zz":{"a":[1.5e3,null,"\u00e4"]},"ck":{"a":"SHA1","t":"FULL_OBJECT","v":"x","q":-7}}`
	m, err := decodeMetadata([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	m.Key = "other"
	again, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{`"zz":{"a":[1.5e3,null,"\u00e4"]}`, `"q":-7`, `"k":"other"`} {
		if !bytes.Contains(again, []byte(kept)) {
			t.Errorf("%s is lost in %s", kept, again)
		}
	}
}

func TestMetadataBudget(t *testing.T) {
	base := func(key string) *Metadata {
		return &Metadata{Bucket: "b", Key: key, Frames: 1, PartNumber: new(int), Time: time.UnixMilli(1)}
	}
	empty := len(`{"b":"b","k":""}`)
	fits := base(strings.Repeat("k", MetadataBudget-empty))
	if err := fits.CheckBudget(); err != nil {
		t.Fatalf("exactly the budget: %v", err)
	}
	if err := base(strings.Repeat("k", MetadataBudget-empty+1)).CheckBudget(); !errors.Is(err, ErrMetadataTooLarge) {
		t.Fatalf("one byte more: %v", err)
	}
	if err := base(strings.Repeat("\x01", 600)).CheckBudget(); !errors.Is(err, ErrMetadataTooLarge) {
		t.Fatalf("escapes count: %v", err)
	}
	if err := base(strings.Repeat("&", 1024)).CheckBudget(); err != nil {
		t.Fatalf("an ampersand is one byte: %v", err)
	}
	// Whatever else a tail may say fits beside a full budget.
	most := fits
	most.Plain, most.ETag, most.Writer, most.Time = MaxPlainSize, strings.Repeat("f", 32)+"-10000", 1<<31-1, time.UnixMilli(maxMillis)
	number := MaxParts
	most.PartNumber = &number
	most.Checksum = &Checksum{Algorithm: "XXHASH128", Type: "FULL_OBJECT", Value: strings.Repeat("A", 88) + "-10000", PartValue: strings.Repeat("A", 88)}
	if text, err := most.encode(); err != nil || len(text) > metadataSize {
		t.Fatalf("%d bytes, error %v", len(text), err)
	}
}

// TestLimitsOfS3FitTheBudget takes what S3 allows at most: a key of 1024 bytes and 2 KiB of user metadata.
func TestLimitsOfS3FitTheBudget(t *testing.T) {
	m := &Metadata{Bucket: strings.Repeat("b", 63), Key: strings.Repeat("k", 1024), UserMetadata: map[string]string{"n": strings.Repeat("v", 2000)}}
	if err := m.CheckBudget(); err != nil {
		t.Fatal(err)
	}
}

func TestMetadataThatCannotBeStoredIsRefused(t *testing.T) {
	for name, change := range map[string]func(m *Metadata){
		"no bucket":             func(m *Metadata) { m.Bucket = "" },
		"no key":                func(m *Metadata) { m.Key = "" },
		"key not UTF-8":         func(m *Metadata) { m.Key = "\xff" },
		"ETag not UTF-8":        func(m *Metadata) { m.ETag = "\xff" },
		"checksum not UTF-8":    func(m *Metadata) { m.Checksum.Value = "\xff" },
		"upper-case header":     func(m *Metadata) { m.Headers["A"] = "x" },
		"upper-case metadata":   func(m *Metadata) { m.UserMetadata["aB"] = "x" },
		"name not UTF-8":        func(m *Metadata) { m.UserMetadata["\xff"] = "x" },
		"empty name":            func(m *Metadata) { m.UserMetadata[""] = "x" },
		"time never set":        func(m *Metadata) { m.Time = time.Time{} },
		"time too late":         func(m *Metadata) { m.Time = time.UnixMilli(maxMillis + 1) },
		"negative writer":       func(m *Metadata) { m.Writer = -1 },
		"no frame":              func(m *Metadata) { m.Frames = 0 },
		"several with number":   func(m *Metadata) { m.Frames, m.Checksum = 2, nil },
		"single and no number":  func(m *Metadata) { m.PartNumber, m.Checksum = nil, nil },
		"negative size":         func(m *Metadata) { m.Plain = -1 },
		"no value of only part": func(m *Metadata) { m.Checksum.PartValue = "" },
		"value of no only part": func(m *Metadata) { m.PartNumber = new(int) },
		"value of two parts":    func(m *Metadata) { m.Frames, m.PartNumber = 2, nil },
	} {
		m := fullMetadata()
		change(m)
		if _, err := m.encode(); !errors.Is(err, ErrInvalidMetadata) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzMetadata holds the decoder to the encoder: what was read is written and read again as the same, and writing is stable.
func FuzzMetadata(f *testing.F) {
	full, err := fullMetadata().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add([]byte(validText))
	f.Add([]byte(validText[:len(validText)-1] + `,"zz":[{"a":1.5e-3}],"hx":{"\u00e4":"/w=="}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeMetadata(text)
		if err != nil {
			return
		}
		once, err := m.encode()
		if err != nil {
			return // names that this version does not write.
		}
		back, err := decodeMetadata(once)
		if err != nil || !reflect.DeepEqual(withoutRaw(back), withoutRaw(m)) {
			t.Fatalf("%s\nwas written as\n%s\n%v", text, once, err)
		}
		twice, err := back.encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s\nwas written again as\n%s\n%v", once, twice, err)
		}
	})
}

// withoutRaw takes away empty maps, which mean the same as none.
func withoutRaw(m *Metadata) Metadata {
	c := *m
	if len(c.Headers) == 0 {
		c.Headers = nil
	}
	if len(c.UserMetadata) == 0 {
		c.UserMetadata = nil
	}
	c.unknown = []format.Member(nil)
	for _, u := range m.unknown {
		c.unknown = append(c.unknown, format.Member{Key: u.Key, Value: format.Value{Raw: u.Value.Raw}})
	}
	if m.Checksum != nil {
		sum := *m.Checksum
		c.Checksum = &sum
	}
	return c
}
