package object

import (
	"math"
	"time"

	"sallyport/crypto/format"
)

// maxMillis is the last millisecond of the year 9999; times beyond it have no usual text form.
const maxMillis = int64(253402300799999)

func parseMetadata(text []byte) (*Metadata, error) {
	v, err := format.ParseObject(text)
	if err != nil {
		return nil, err
	}
	f := format.NewFields(v)
	m := &Metadata{
		Plain:  f.Int("p"),
		Frames: boundedInt(f, "n", MaxParts),
		Bucket: f.Str("b"),
		Key:    f.Str("k"),
		ETag:   f.OptionalStr("e"),
		Writer: boundedInt(f, "w", math.MaxInt32),
	}
	copy(m.FrameSalt[:], f.Bytes("fs", len(m.FrameSalt)))
	copy(m.Commitment[:], f.Bytes("fc", len(m.Commitment)))
	if m.Plain > MaxPlainSize {
		f.Fail("p")
	}
	if m.Frames == 0 {
		f.Fail("n")
	}
	if m.Bucket == "" || m.Key == "" {
		f.Fail("k")
	}
	if single := m.Frames == 1; single != f.Has("pn") {
		f.Fail("pn")
	} else if single {
		number := boundedInt(f, "pn", MaxParts)
		m.PartNumber = &number
	}
	millis := f.Int("t")
	if millis > maxMillis {
		f.Fail("t")
	}
	m.Time = time.UnixMilli(millis).UTC()
	if c, ok := f.Object("ck"); ok {
		if m.Checksum, err = parseChecksum(c, m.byMultipartOfOne()); err != nil {
			return nil, err
		}
	}
	m.Headers = decodeMap(f, "h", "hx")
	m.UserMetadata = decodeMap(f, "m", "mx")
	if m.unknown, err = f.Unknown(); err != nil {
		return nil, err
	}
	return m, nil
}

func boundedInt(f *format.Fields, key string, most int64) int {
	n := f.Int(key)
	if n > most {
		f.Fail(key)
		return 0
	}
	return int(n)
}

// parseChecksum reads ck, in which the value of the only part stands exactly when a multipart upload had one part.
func parseChecksum(v format.Value, ofOnePart bool) (*Checksum, error) {
	f := format.NewFields(v)
	if f.Has("pv") != ofOnePart {
		f.Fail("pv")
	}
	c := &Checksum{Algorithm: f.Str("a"), Type: f.Str("t"), Value: f.Str("v"), PartValue: f.OptionalStr("pv")}
	if ofOnePart && c.PartValue == "" {
		f.Fail("pv")
	}
	var err error
	if c.unknown, err = f.Unknown(); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeMap joins the values that were stored as text with those stored as base64; a name in both would be ambiguous.
func decodeMap(f *format.Fields, textKey, bytesKey string) map[string]string {
	values := f.Map(textKey)
	for name, encoded := range f.Map(bytesKey) {
		raw, ok := format.DecodeBase64(encoded)
		if _, twice := values[name]; twice || !ok {
			f.Fail(bytesKey)
			return nil
		}
		if values == nil {
			values = make(map[string]string)
		}
		values[name] = string(raw)
	}
	return values
}
