package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// object reads one JSON object by exact field names. The standard decoder alone would take duplicate and case-folded keys, missing
// fields and nulls. The first error latches; fields that nobody asked for are left over and reported by unknown.
type object struct {
	path   string
	fields map[string]json.RawMessage
	err    error
}

// readObject takes one JSON object and nothing after it. The path names it in errors; it must hold nothing secret.
func readObject(path string, raw []byte) *object {
	o := &object{path: path, fields: map[string]json.RawMessage{}}
	if !utf8.Valid(raw) {
		o.fail(errors.New("not UTF-8"))
		return o
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		o.fail(errors.New("not a JSON object"))
		return o
	}
	for decoder.More() {
		token, err := decoder.Token()
		name, isText := token.(string)
		if err != nil || !isText {
			o.fail(errors.New("not a JSON object"))
			return o
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			o.fail(errors.New("not valid JSON"))
			return o
		}
		if _, duplicate := o.fields[name]; duplicate {
			o.fail(errors.New("a field stands twice"))
			return o
		}
		o.fields[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		o.fail(errors.New("not valid JSON"))
		return o
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		o.fail(errors.New("something follows the JSON object"))
	}
	return o
}

func (o *object) fail(err error) {
	if o.err == nil {
		o.err = fmt.Errorf("%s: %w", o.path, err)
	}
}

func (o *object) failField(name, problem string) { o.fail(fmt.Errorf("field %s: %s", name, problem)) }

// take removes a field so that unknown sees only the others.
func (o *object) take(name string) (json.RawMessage, bool) {
	if o.err != nil {
		return nil, false
	}
	raw, ok := o.fields[name]
	if !ok {
		o.failField(name, "missing")
		return nil, false
	}
	delete(o.fields, name)
	return raw, true
}

// unsigned reads an integer without sign, exponent or fraction; JSON itself knows no leading zero.
func (o *object) unsigned(name string, least, most uint64) uint64 {
	raw, ok := o.take(name)
	if !ok {
		return 0
	}
	value, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		o.failField(name, "not an integer")
		return 0
	}
	if value < least || value > most {
		o.failField(name, fmt.Sprintf("not between %d and %d", least, most))
		return 0
	}
	return value
}

func (o *object) text(name string, longest int) string {
	raw, ok := o.take(name)
	if !ok {
		return ""
	}
	var value string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		o.failField(name, "not a string")
		return ""
	}
	if len(value) > longest {
		o.failField(name, fmt.Sprintf("longer than %d bytes", longest))
		return ""
	}
	return value
}

// binary reads padded base64 of least to most bytes.
func (o *object) binary(name string, least, most int) []byte {
	text := o.text(name, base64.StdEncoding.EncodedLen(most))
	if o.err != nil {
		return nil
	}
	value, err := decodeBase64(text)
	if err != nil || len(value) < least || len(value) > most {
		o.failField(name, "not base64 of the expected length")
		return nil
	}
	return value
}

func (o *object) identifier(name string, dst []byte) {
	text := o.text(name, 2*len(dst))
	if o.err != nil {
		return
	}
	if err := decodeHex(dst, text); err != nil {
		o.failField(name, "not lower-case hex of the expected length")
	}
}

func (o *object) list(name string, longest int) []json.RawMessage {
	raw, ok := o.take(name)
	if !ok {
		return nil
	}
	var value []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &value) != nil {
		o.failField(name, "not a list")
		return nil
	}
	if len(value) > longest {
		o.failField(name, fmt.Sprintf("more than %d entries", longest))
		return nil
	}
	return value
}

func (o *object) inner(name string) *object {
	raw, ok := o.take(name)
	inner := &object{path: o.path + "." + name, err: o.err}
	if ok {
		inner = readObject(inner.path, raw)
	}
	return inner
}

// unknown returns the paths of the fields that nobody took, sorted.
func (o *object) unknown() []string {
	var paths []string
	for name := range o.fields {
		paths = append(paths, o.path+"."+strconv.Quote(name))
	}
	slices.Sort(paths)
	return paths
}

// decodeBase64 refuses line ends and non-zero trailing bits, which the standard decoder lets pass by default: stored bytes have one
// spelling only.
func decodeBase64(text string) ([]byte, error) {
	value, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, err
	}
	if base64.StdEncoding.EncodedLen(len(value)) != len(text) {
		return nil, errors.New("line end inside base64")
	}
	return value, nil
}

// encodeJSON writes compact JSON without the HTML escapes of the default encoder and without a line end.
func encodeJSON(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Sprintf("vault: internal error: encode JSON: %v", err))
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}
