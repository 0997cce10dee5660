package format

import "fmt"

// Fields takes the known keys out of an object one after another and remembers the first thing that was wrong; what is left at the end
// is unknown to the caller.
type Fields struct {
	members map[string]Value
	order   []Member
	err     error
}

// NewFields starts on the members of v, which is an Object.
func NewFields(v Value) *Fields {
	f := &Fields{members: make(map[string]Value, len(v.Members)), order: v.Members}
	for _, m := range v.Members {
		f.members[m.Key] = m.Value
	}
	return f
}

// Fail records that the field is wrong, unless something was before.
func (f *Fields) Fail(key string) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: field %q", ErrSyntax, key)
	}
}

func (f *Fields) take(key string, kind Kind) (Value, bool) {
	v, ok := f.members[key]
	if !ok {
		return Value{}, false
	}
	delete(f.members, key)
	if v.Kind != kind {
		f.Fail(key)
		return Value{}, false
	}
	return v, true
}

// Has reports whether the key is there and was not taken yet.
func (f *Fields) Has(key string) bool {
	_, ok := f.members[key]
	return ok
}

// Str takes a string that must be there.
func (f *Fields) Str(key string) string {
	if !f.Has(key) {
		f.Fail(key)
	}
	return f.OptionalStr(key)
}

// OptionalStr takes a string, empty when absent.
func (f *Fields) OptionalStr(key string) string {
	v, _ := f.take(key, String)
	return v.Text
}

// Int takes an integer that must be there and not below zero.
func (f *Fields) Int(key string) int64 {
	if !f.Has(key) {
		f.Fail(key)
	}
	v, _ := f.take(key, Int)
	if v.Number < 0 {
		f.Fail(key)
		return 0
	}
	return v.Number
}

// Bytes takes base64 that must be there and be of the given length; any length when it is negative.
func (f *Fields) Bytes(key string, length int) []byte {
	if !f.Has(key) {
		f.Fail(key)
	}
	return f.OptionalBytes(key, length)
}

// OptionalBytes takes base64 of the given length (any, when it is negative), nil when absent.
func (f *Fields) OptionalBytes(key string, length int) []byte {
	v, ok := f.take(key, String)
	if !ok {
		return nil
	}
	b, ok := DecodeBase64(v.Text)
	if !ok || length >= 0 && len(b) != length {
		f.Fail(key)
		return nil
	}
	return b
}

// Object takes an object; ok is false when it is absent.
func (f *Fields) Object(key string) (Value, bool) {
	return f.take(key, Object)
}

// Map takes an object of strings, nil when absent.
func (f *Fields) Map(key string) map[string]string {
	v, ok := f.take(key, Object)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(v.Members))
	for _, m := range v.Members {
		if m.Value.Kind != String {
			f.Fail(key)
			return nil
		}
		out[m.Key] = m.Value.Text
	}
	return out
}

// Unknown ends the reading. It returns the fields nobody took, in the order of the text, when each may be ignored, which is when its
// key begins with a lower-case letter; otherwise, and when anything was wrong, it returns the error.
func (f *Fields) Unknown() ([]Member, error) {
	var left []Member
	for _, m := range f.order {
		if !f.Has(m.Key) {
			continue
		}
		if m.Key == "" || m.Key[0] < 'a' || m.Key[0] > 'z' {
			f.Fail(m.Key)
		}
		left = append(left, m)
	}
	if f.err != nil {
		return nil, f.err
	}
	return left, nil
}
