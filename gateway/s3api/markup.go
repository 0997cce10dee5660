package s3api

import (
	"bytes"
	"errors"
	"fmt"
)

// markupLimits bound what a document's markup may cost the parser, which holds each tag with its attributes at many times its length.
type markupLimits struct {
	tag        int // bytes of a tag or processing instruction, brackets included
	attributes int // of one tag
	count      int // tags, comments, CDATA sections and processing instructions in the document
}

var errMarkupEnds = errors.New("the document ends inside of markup")

// checkMarkup refuses a document with markup beyond the limits before anything parses it. It knows only where markup begins and ends: for all that
// encoding/xml accepts, it sees the same tags. Document types are refused here already, whatever their length.
func checkMarkup(data []byte, limits markupLimits) error {
	for count := 0; ; {
		start := bytes.IndexByte(data, '<')
		if start < 0 {
			return nil
		}
		data = data[start:]
		if count++; count > limits.count {
			return fmt.Errorf("more than %d tags", limits.count)
		}
		length, err := markupLength(data, limits)
		if err != nil {
			return err
		}
		data = data[length:]
	}
}

// markupLength returns how long the markup is that data begins with.
func markupLength(data []byte, limits markupLimits) (int, error) {
	switch {
	case bytes.HasPrefix(data, []byte("<!--")):
		return sectionLength(data, "<!--", "-->")
	case bytes.HasPrefix(data, []byte("<![CDATA[")):
		return sectionLength(data, "<![CDATA[", "]]>")
	case bytes.HasPrefix(data, []byte("<!")):
		return 0, errors.New("a document type is not accepted")
	}
	bounded := data[:min(len(data), limits.tag)]
	if bytes.HasPrefix(data, []byte("<?")) {
		length, err := sectionLength(bounded, "<?", "?>")
		if err != nil && len(bounded) < len(data) {
			return 0, fmt.Errorf("a processing instruction of more than %d bytes", limits.tag)
		}
		return length, err
	}
	return tagLength(bounded, len(data), limits)
}

func sectionLength(data []byte, begin, end string) (int, error) {
	i := bytes.Index(data[len(begin):], []byte(end))
	if i < 0 {
		return 0, errMarkupEnds
	}
	return len(begin) + i + len(end), nil
}

// tagLength finds the end of a tag, which is no bracket inside of quotes. Each attribute has its equals sign.
func tagLength(bounded []byte, all int, limits markupLimits) (int, error) {
	quote, attributes := byte(0), 0
	for i := 1; i < len(bounded); i++ {
		switch b := bounded[i]; {
		case b == '<':
			return 0, errors.New("a tag inside of a tag")
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"', b == '\'':
			quote = b
		case b == '=':
			if attributes++; attributes > limits.attributes {
				return 0, fmt.Errorf("a tag with more than %d attributes", limits.attributes)
			}
		case b == '>':
			return i + 1, nil
		}
	}
	if len(bounded) < all {
		return 0, fmt.Errorf("a tag of more than %d bytes", limits.tag)
	}
	return 0, errMarkupEnds
}
