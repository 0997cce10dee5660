package s3api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// xmlLimits bound what a client's XML may cost. The bytes are bounded before parsing.
type xmlLimits struct {
	depth    int
	elements int
}

const (
	maxTag        = 1 << 10 // of any client's, with room for a namespace or two
	maxAttributes = 4       // of a tag
	// minElement is less than an element of any of S3's documents takes, tags and text: a short document has no more elements than it needs.
	minElement = 8
)

// within returns the limits of a document of that many bytes.
func (l xmlLimits) within(size int) (xmlLimits, markupLimits) {
	l.elements = min(l.elements, size/minElement+16)
	// Two tags an element, and comments.
	return l, markupLimits{tag: maxTag, attributes: maxAttributes, count: 3*l.elements + 16}
}

// node is one element of a client's XML. Namespaces and attributes are dropped: clients send S3's namespace, another, or none.
type node struct {
	name     string
	text     string
	children []*node
	pieces   []byte // of text, which comments may split into any number
}

var errXMLShape = errors.New("unexpected element")

// parseXML reads one document. There are no document types, hence no entities but XML's own, and no other encoding than UTF-8.
func parseXML(data []byte, limits xmlLimits) (*node, error) {
	limits, markup := limits.within(len(data))
	if err := checkMarkup(data, markup); err != nil {
		return nil, fmt.Errorf("parse XML: %w", err)
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	var root *node
	var open []*node
	elements := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("parse XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if elements++; elements > limits.elements {
				return nil, fmt.Errorf("parse XML: more than %d elements", limits.elements)
			}
			if len(open) == limits.depth {
				return nil, fmt.Errorf("parse XML: deeper than %d elements", limits.depth)
			}
			n := &node{name: t.Name.Local}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, n)
			case root != nil:
				return nil, errors.New("parse XML: more than one root element")
			default:
				root = n
			}
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1]
			n.text, n.pieces = string(n.pieces), nil
			open = open[:len(open)-1]
		case xml.CharData:
			switch {
			case len(open) > 0:
				n := open[len(open)-1]
				n.pieces = append(n.pieces, t...)
			case strings.Trim(string(t), " \t\r\n\uFEFF") != "":
				return nil, errors.New("parse XML: text outside of the root element")
			}
		case xml.Directive:
			return nil, errors.New("parse XML: a document type is not accepted")
		case xml.ProcInst:
			if root != nil || t.Target != "xml" {
				return nil, errors.New("parse XML: a processing instruction is not accepted")
			}
		}
	}
	if root == nil {
		return nil, errors.New("parse XML: no element")
	}
	return root, nil
}

// only returns an error unless the element has the name and no text of its own beside its children.
func (n *node) only(name string) error {
	if n.name != name {
		return fmt.Errorf("%w: have %q, want %q", errXMLShape, n.name, name)
	}
	if strings.TrimSpace(n.text) != "" {
		return fmt.Errorf("%w: text in %q", errXMLShape, n.name)
	}
	return nil
}

// leaf returns the element's text; an element with children is none.
func (n *node) leaf() (string, error) {
	if len(n.children) > 0 {
		return "", fmt.Errorf("%w: %q inside of %q", errXMLShape, n.children[0].name, n.name)
	}
	return n.text, nil
}

// leaves returns the texts of the element's children by name. A name outside of allowed, or there twice, is an error: what is not understood
// must not be ignored.
func (n *node) leaves(allowed ...string) (map[string]string, error) {
	found := make(map[string]string, len(n.children))
	for _, child := range n.children {
		known := false
		for _, name := range allowed {
			known = known || name == child.name
		}
		if _, twice := found[child.name]; twice || !known {
			return nil, fmt.Errorf("%w: %q inside of %q", errXMLShape, child.name, n.name)
		}
		text, err := child.leaf()
		if err != nil {
			return nil, err
		}
		found[child.name] = text
	}
	return found, nil
}
