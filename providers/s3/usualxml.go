package s3

import "bytes"

// usualXML reads a document of the usual form, from left to right. Its methods return false where the document leaves that form, and then it is of no more
// use. It accepts nothing that encoding/xml would refuse or understand otherwise.
//
// Usual are ASCII text, references to the characters that markup is made of, and tags without attributes, a namespace on the root excepted.
type usualXML struct {
	rest    []byte
	closing []byte // the element of a tag like <Prefix/> that was just read and is still to end
	plain   []byte // the text that references were replaced in last
	skipped int    // how many elements that nobody asked for are open
}

// maxSkipped is how deep elements may lie in each other that nobody asked for.
const maxSkipped = 8

// parent takes the elements in an element.
type parent interface {
	// child reads the element name, whose start tag is read, to its end.
	child(x *usualXML, name []byte) bool
}

// root passes the root's start tag and returns its namespace.
func (x *usualXML) root(name string) (namespace string, ok bool) {
	if !x.space() {
		return "", false
	}
	tag, rest, _ := bytes.Cut(x.rest, []byte(">"))
	x.rest = rest
	if string(tag) == "<"+name {
		return "", true
	}
	value, begun := bytes.CutPrefix(tag, []byte("<"+name+` xmlns="`))
	value, ended := bytes.CutSuffix(value, []byte(`"`))
	return string(value), begun && ended && isUsualText(value) && !bytes.ContainsAny(value, `"<&`)
}

// children hands the elements in the element name to p and passes the end tag.
func (x *usualXML) children(name []byte, p parent) bool {
	for {
		if !x.space() {
			return false
		}
		inner, end, ok := x.tag()
		if !ok {
			return false
		}
		if end {
			return bytes.Equal(inner, name)
		}
		if !p.child(x, inner) {
			return false
		}
	}
}

// text returns what is in the element name, which has no children, and passes its end tag. The text is valid until the next call.
func (x *usualXML) text(name []byte) ([]byte, bool) {
	text, ok := x.characters()
	if !ok {
		return nil, false
	}
	inner, end, ok := x.tag()
	return text, ok && end && bytes.Equal(inner, name)
}

// string is text, kept.
func (x *usualXML) string(name []byte, into *string) bool {
	text, ok := x.text(name)
	*into = string(text)
	return ok
}

// skip passes the element name, whatever is in it.
func (x *usualXML) skip(name []byte) bool {
	if x.skipped == maxSkipped {
		return false
	}
	x.skipped++
	for {
		if _, ok := x.characters(); !ok {
			return false
		}
		inner, end, ok := x.tag()
		if !ok {
			return false
		}
		if end {
			x.skipped--
			return bytes.Equal(inner, name)
		}
		if !x.skip(inner) {
			return false
		}
	}
}

// tag passes a tag and returns its name. Letters alone make a name: prefixes of namespaces and attributes are not usual.
func (x *usualXML) tag() (name []byte, end, ok bool) {
	if name = x.closing; name != nil {
		x.closing = nil
		return name, true, true
	}
	tag, rest, found := bytes.Cut(x.rest, []byte(">"))
	name, begun := bytes.CutPrefix(tag, []byte("<"))
	if !found || !begun {
		return nil, false, false
	}
	x.rest = rest
	name, end = bytes.CutPrefix(name, []byte("/"))
	if !end {
		if inner, empty := bytes.CutSuffix(name, []byte("/")); empty {
			name, x.closing = inner, inner
		}
	}
	for _, b := range name {
		if b|0x20 < 'a' || b|0x20 > 'z' {
			return nil, false, false
		}
	}
	return name, end, len(name) > 0
}

// space passes white space.
func (x *usualXML) space() bool {
	text, ok := x.characters()
	return ok && len(bytes.Trim(text, " \n\t")) == 0
}

// characters passes the text up to the next tag and returns it with references replaced, valid until the next call.
func (x *usualXML) characters() ([]byte, bool) {
	if x.closing != nil {
		return nil, true
	}
	end := bytes.IndexByte(x.rest, '<')
	if end < 0 {
		return nil, false
	}
	text := x.rest[:end]
	x.rest = x.rest[end:]
	if !isUsualText(text) {
		return nil, false
	}
	if bytes.IndexByte(text, '&') < 0 {
		return text, true
	}
	x.plain = x.plain[:0]
	for {
		before, from, found := bytes.Cut(text, []byte("&"))
		x.plain = append(x.plain, before...)
		if !found {
			return x.plain, true
		}
		reference, behind, ended := bytes.Cut(from, []byte(";"))
		character := referenced(reference)
		if character == 0 || !ended {
			return nil, false
		}
		x.plain = append(x.plain, character)
		text = behind
	}
}

// referenced returns the character that a usual reference stands for, else 0.
func referenced(reference []byte) byte {
	switch string(reference) {
	case "amp", "#38":
		return '&'
	case "lt", "#60":
		return '<'
	case "gt", "#62":
		return '>'
	case "quot", "#34":
		return '"'
	case "apos", "#39":
		return '\''
	}
	return 0
}

// isUsualText refuses what encoding/xml refuses or changes on reading, as control characters and carriage returns, and what takes more than a look at each
// byte to know that: "]]>", and all that is not ASCII.
func isUsualText(text []byte) bool {
	for _, b := range text {
		if b < ' ' && b != '\n' && b != '\t' || b >= 0x80 || b == '>' {
			return false
		}
	}
	return true
}
