package s3api

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

const xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// document builds an XML answer, element by element, in the order S3 has them.
type document struct {
	b    []byte
	open []string
	// lossy replaces what XML cannot hold, where the text is for people and the document must parse.
	lossy bool
}

// newDocument begins a document whose root is in S3's namespace.
func newDocument(root string) *document {
	d := &document{}
	d.write(xmlDeclaration, "<", root, ` xmlns="`, xmlNamespace, `">`)
	d.open = append(d.open, root)
	return d
}

// newErrorDocument begins an error answer, which S3 sends without a namespace.
func newErrorDocument() *document {
	d := &document{lossy: true}
	d.write(xmlDeclaration)
	d.begin("Error")
	return d
}

func (d *document) write(pieces ...string) {
	for _, piece := range pieces {
		d.b = append(d.b, piece...)
	}
}

func (d *document) begin(name string) {
	d.write("<", name, ">")
	d.open = append(d.open, name)
}

// beginTyped begins an element with the schema-instance type that S3 gives to grantees.
func (d *document) beginTyped(name, xsiType string) {
	d.write("<", name, ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="`, xsiType, `">`)
	d.open = append(d.open, name)
}

func (d *document) end() {
	last := len(d.open) - 1
	d.write("</", d.open[last], ">")
	d.open = d.open[:last]
}

func (d *document) text(name, value string) {
	d.write("<", name, ">")
	d.escape(value)
	d.write("</", name, ">")
}

// optional writes the element only if there is a value.
func (d *document) optional(name, value string) {
	if value != "" {
		d.text(name, value)
	}
}

func (d *document) number(name string, n int64) {
	d.write("<", name, ">")
	d.b = strconv.AppendInt(d.b, n, 10)
	d.write("</", name, ">")
}

func (d *document) boolean(name string, v bool) { d.text(name, strconv.FormatBool(v)) }

// time writes a time as S3 does in XML: in whole seconds, as in headers, with a fraction of zeros.
func (d *document) time(name string, t time.Time) {
	d.write("<", name, ">")
	d.b = t.UTC().Truncate(time.Second).AppendFormat(d.b, "2006-01-02T15:04:05.000Z")
	d.write("</", name, ">")
}

func (d *document) etag(value string) {
	d.write("<ETag>&#34;")
	d.escape(value)
	d.write("&#34;</ETag>")
}

func quoteETag(value string) string { return `"` + value + `"` }

// bytes closes what is open and returns the document, which must not be written to any more.
func (d *document) bytes() []byte {
	for len(d.open) > 0 {
		d.end()
	}
	return d.b
}

// escape writes text. A character that XML 1.0 cannot hold becomes a numeric reference, as in S3's own answers: a strict parser refuses it, where a
// replacement character would silently name another key.
func (d *document) escape(s string) {
	from := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		replacement := ""
		switch {
		case r == '&':
			replacement = "&amp;"
		case r == '<':
			replacement = "&lt;"
		case r == '>':
			replacement = "&gt;"
		case r == '"':
			replacement = "&#34;"
		case r == '\'':
			replacement = "&#39;"
		case r == utf8.RuneError && size == 1, d.lossy && !isXMLCharacter(r):
			replacement = "\uFFFD"
		case r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff:
			replacement = "&#x" + strconv.FormatInt(int64(r), 16) + ";"
		}
		if replacement != "" {
			d.write(s[from:i], replacement)
			from = i + size
		}
		i += size
	}
	d.write(s[from:])
}

// isXMLCharacter reports what XML 1.0 can hold, as itself or as a reference.
func isXMLCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xfffe && r != 0xffff
}

// urlEncode is S3's encoding-type=url: everything but unreserved characters and the slash, and a space as a plus sign.
func urlEncode(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.*/", c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
