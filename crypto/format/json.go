// Package format holds the strict JSON that stands inside sealed records: object metadata, upload notes and system records.
//
// The standard decoder accepts duplicate and case-folded keys and replaces invalid UTF-8, and the standard encoder spends six bytes on
// each of & < >; none of that may happen to stored metadata. Text read here is refused when it repeats a key, holds invalid UTF-8 or a
// lone surrogate, nests too deep, or goes on after its end. The caller bounds the length of the text. Nothing here is secret or
// cryptographic.
//
// Specification: docs/FORMAT.md, "JSON".
package format

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how many objects and arrays stand in each other below the outermost. Records of format version 1 nest two deep; the rest is
// room for unknown fields.
const maxDepth = 8

// ErrSyntax says that a text is not JSON as this package accepts it. Its cause is not told apart: the text was sealed by a key
// holder, so there is nobody to whom more would be useful.
var ErrSyntax = errors.New("malformed JSON")

// Kind is what a JSON value is.
type Kind byte

// The kinds of value. Other is a number that is no plain integer, an array, true, false or null: valid in an unknown field only.
const (
	String Kind = iota + 1
	Int
	Object
	Other
)

// Value is one JSON value. Its zero value is no value.
type Value struct {
	Kind    Kind
	Text    string   // of a String, decoded
	Number  int64    // of an Int
	Members []Member // of an Object, in the order of the text, keys unique
	Raw     []byte   // the value's own text
}

// Member is one key of an object with its value.
type Member struct {
	Key   string
	Value Value
}

// ParseObject reads text, which is one JSON object and nothing else but white space. The result shares no memory with text.
func ParseObject(text []byte) (Value, error) {
	if !utf8.Valid(text) {
		return Value{}, ErrSyntax
	}
	p := parser{text: bytes.Clone(text)}
	p.space()
	v, ok := p.value(0)
	if !ok || v.Kind != Object {
		return Value{}, ErrSyntax
	}
	if p.space(); p.at != len(p.text) {
		return Value{}, ErrSyntax
	}
	return v, nil
}

type parser struct {
	text []byte
	at   int
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) word(w string) bool {
	if bytes.HasPrefix(p.text[p.at:], []byte(w)) {
		p.at += len(w)
		return true
	}
	return false
}

func (p *parser) value(depth int) (v Value, ok bool) {
	if p.at >= len(p.text) {
		return Value{}, false
	}
	start := p.at
	switch c := p.text[p.at]; {
	case depth > maxDepth && (c == '{' || c == '['):
		return Value{}, false
	case c == '"':
		v.Kind = String
		v.Text, ok = p.str()
	case c == '{':
		v.Kind = Object
		v.Members, ok = p.object(depth)
	case c == '[':
		v.Kind, ok = Other, p.array(depth)
	case c == '-' || c >= '0' && c <= '9':
		v, ok = p.number()
	default:
		v.Kind, ok = Other, p.word("true") || p.word("false") || p.word("null")
	}
	if !ok {
		return Value{}, false
	}
	v.Raw = p.text[start:p.at:p.at]
	return v, true
}

func (p *parser) object(depth int) ([]Member, bool) {
	p.at++
	p.space()
	if p.take('}') {
		return nil, true
	}
	var members []Member
	seen := make(map[string]struct{})
	for {
		p.space()
		if p.at >= len(p.text) || p.text[p.at] != '"' {
			return nil, false
		}
		key, ok := p.str()
		if !ok {
			return nil, false
		}
		if _, twice := seen[key]; twice {
			return nil, false
		}
		seen[key] = struct{}{}
		if p.space(); !p.take(':') {
			return nil, false
		}
		p.space()
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		members = append(members, Member{key, v})
		p.space()
		if p.take('}') {
			return members, true
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

func (p *parser) array(depth int) bool {
	p.at++
	p.space()
	if p.take(']') {
		return true
	}
	for {
		p.space()
		if _, ok := p.value(depth + 1); !ok {
			return false
		}
		p.space()
		if p.take(']') {
			return true
		}
		if !p.take(',') {
			return false
		}
	}
}

func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *parser) number() (Value, bool) {
	start := p.at
	p.take('-')
	if !p.take('0') && !p.digits() {
		return Value{}, false
	}
	integer := true
	if p.take('.') {
		if integer = false; !p.digits() {
			return Value{}, false
		}
	}
	if p.take('e') || p.take('E') {
		integer = false
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			return Value{}, false
		}
	}
	text := string(p.text[start:p.at])
	n, err := strconv.ParseInt(text, 10, 64)
	if !integer || err != nil || text == "-0" {
		return Value{Kind: Other}, true
	}
	return Value{Kind: Int, Number: n}, true
}

func (p *parser) str() (string, bool) {
	p.at++
	var out []byte
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			return string(out), true
		case c < 0x20:
			return "", false
		case c != '\\':
			out = append(out, c)
		default:
			r, ok := p.escape()
			if !ok {
				return "", false
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return "", false
}

func (p *parser) escape() (rune, bool) {
	if p.at >= len(p.text) {
		return 0, false
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
	default:
		return 0, false
	}
	r, ok := p.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if !p.word(`\u`) {
		return 0, false
	}
	low, ok := p.hex4()
	if !ok {
		return 0, false
	}
	r = utf16.DecodeRune(r, low)
	return r, r != utf8.RuneError
}

func (p *parser) hex4() (rune, bool) {
	if len(p.text)-p.at < 4 {
		return 0, false
	}
	var r rune
	for _, c := range p.text[p.at : p.at+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	p.at += 4
	return r, true
}
