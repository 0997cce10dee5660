package format

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Encoder builds one JSON object. It escapes only the quotation mark, the backslash and bytes below 0x20, writes no white space, and
// leaves the order of keys to the caller, who also makes sure that no key comes twice and that strings are valid UTF-8.
type Encoder struct {
	buf []byte
}

// Str adds a string.
func (e *Encoder) Str(key, value string) {
	e.key(key)
	e.buf = appendString(e.buf, value)
}

// Int adds an integer.
func (e *Encoder) Int(key string, value int64) {
	e.key(key)
	e.buf = strconv.AppendInt(e.buf, value, 10)
}

// Bytes adds bytes as padded base64.
func (e *Encoder) Bytes(key string, value []byte) {
	e.key(key)
	e.buf = append(e.buf, '"')
	e.buf = base64.StdEncoding.AppendEncode(e.buf, value)
	e.buf = append(e.buf, '"')
}

// Bool adds true or false.
func (e *Encoder) Bool(key string, value bool) {
	e.key(key)
	e.buf = strconv.AppendBool(e.buf, value)
}

// Map adds an object of strings, keys in byte order.
func (e *Encoder) Map(key string, value map[string]string) {
	var inner Encoder
	for _, k := range slices.Sorted(maps.Keys(value)) {
		inner.Str(k, value[k])
	}
	e.Raw(key, inner.Finish())
}

// BytesMap adds an object of padded base64 strings, keys in byte order.
func (e *Encoder) BytesMap(key string, value map[string]string) {
	var inner Encoder
	for _, k := range slices.Sorted(maps.Keys(value)) {
		inner.Bytes(k, []byte(value[k]))
	}
	e.Raw(key, inner.Finish())
}

// Raw adds a value that is JSON text already.
func (e *Encoder) Raw(key string, value []byte) {
	e.key(key)
	e.buf = append(e.buf, value...)
}

// Finish returns the object's text.
func (e *Encoder) Finish() []byte {
	if len(e.buf) == 0 {
		return []byte("{}")
	}
	return append(e.buf, '}')
}

func (e *Encoder) key(key string) {
	if len(e.buf) == 0 {
		e.buf = append(e.buf, '{')
	} else {
		e.buf = append(e.buf, ',')
	}
	e.buf = append(appendString(e.buf, key), ':')
}

func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// DecodeBase64 reads padded base64 of RFC 4648 section 4 and nothing looser: no line breaks, no stray bits.
func DecodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false // the standard decoder would skip them.
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}
