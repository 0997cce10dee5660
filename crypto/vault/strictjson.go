package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"sallyport/crypto/format"
)

// object takes the fields of one JSON object by name. The first error latches; fields that nobody asked for are left over and reported by
// unknown. Package format refuses what the standard decoder lets pass: duplicate keys, bad UTF-8, a second value.
type object struct {
	path   string
	fields map[string]format.Value
	err    error
}

// readObject takes one JSON object and nothing after it. The path names it in errors; it must hold nothing secret.
func readObject(path string, raw []byte) *object {
	o := &object{path: path, fields: map[string]format.Value{}}
	value, err := format.ParseObject(raw)
	if err != nil {
		o.fail(err)
		return o
	}
	for _, member := range value.Members {
		o.fields[member.Key] = member.Value
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
func (o *object) take(name string) (format.Value, bool) {
	if o.err != nil {
		return format.Value{}, false
	}
	value, ok := o.fields[name]
	if !ok {
		o.failField(name, "missing")
		return format.Value{}, false
	}
	delete(o.fields, name)
	return value, true
}

// unsigned reads an integer without sign, exponent or fraction; JSON itself knows no leading zero.
func (o *object) unsigned(name string, least, most uint64) uint64 {
	value, ok := o.take(name)
	if !ok {
		return 0
	}
	if value.Kind != format.Int || value.Number < 0 {
		o.failField(name, "not an integer")
		return 0
	}
	if number := uint64(value.Number); number >= least && number <= most {
		return number
	}
	o.failField(name, fmt.Sprintf("not between %d and %d", least, most))
	return 0
}

func (o *object) text(name string, longest int) string {
	value, ok := o.take(name)
	if !ok {
		return ""
	}
	if value.Kind != format.String {
		o.failField(name, "not a string")
		return ""
	}
	if len(value.Text) > longest {
		o.failField(name, fmt.Sprintf("longer than %d bytes", longest))
		return ""
	}
	return value.Text
}

// binary reads padded base64 of least to most bytes.
func (o *object) binary(name string, least, most int) []byte {
	text := o.text(name, MaxFileSize)
	if o.err != nil {
		return nil
	}
	value, ok := format.DecodeBase64(text)
	if !ok || len(value) < least || len(value) > most {
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
	value, ok := o.take(name)
	if !ok {
		return nil
	}
	var rows []json.RawMessage
	if len(value.Raw) == 0 || value.Raw[0] != '[' || json.Unmarshal(value.Raw, &rows) != nil {
		o.failField(name, "not a list")
		return nil
	}
	if len(rows) > longest {
		o.failField(name, fmt.Sprintf("more than %d entries", longest))
		return nil
	}
	return rows
}

func (o *object) inner(name string) *object {
	value, ok := o.take(name)
	inner := &object{path: o.path + "." + name, err: o.err}
	if ok {
		inner = readObject(inner.path, value.Raw)
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

// refuseUnknown fails when a field is left over that may not be ignored. In sealed JSON that is one whose name does not begin with a
// lower-case letter: so a later version can add what an older one must not overlook.
func (o *object) refuseUnknown() {
	for name := range o.fields {
		if name == "" || name[0] < 'a' || name[0] > 'z' {
			o.fail(fmt.Errorf("%w: an unknown field that must not be ignored", ErrTooNew))
		}
	}
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
