package sigv4

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// parameter is one query parameter, decoded.
type parameter struct{ name, value string }

// query holds the parameters in the order sent.
type query []parameter

// parseQuery splits at "&" and decodes once; "+" is a space. Empty pieces between ampersands are nothing.
func parseQuery(raw string) (query, error) {
	if raw == "" {
		return nil, nil
	}
	q := make(query, 0, strings.Count(raw, "&")+1)
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		name, ok1 := unescapeQuery(name)
		value, ok2 := unescapeQuery(value)
		if !ok1 || !ok2 {
			return nil, refuse(InvalidURI, "the query string has an invalid percent encoding")
		}
		q = append(q, parameter{name, value})
	}
	return q, nil
}

// has reports whether a parameter of this name was sent, in any case, so that no spelling hides from another.
func (q query) has(name string) bool {
	_, n := q.one(name)
	return n > 0
}

// one returns the first parameter of this name in any case, and how many there are.
func (q query) one(name string) (value string, n int) {
	for _, p := range q {
		if strings.EqualFold(p.name, name) {
			if n++; n == 1 {
				value = p.value
			}
		}
	}
	return value, n
}

// unescapeQuery decodes %XX and "+".
func unescapeQuery(text string) (string, bool) {
	if !strings.ContainsAny(text, "%+") {
		return text, true
	}
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '+':
			decoded = append(decoded, ' ')
		case '%':
			if i+2 >= len(text) {
				return "", false
			}
			high, low := unhex(text[i+1]), unhex(text[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			decoded = append(decoded, byte(high<<4|low))
			i += 2
		default:
			decoded = append(decoded, c)
		}
	}
	return string(decoded), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// appendEscaped appends text in S3's UriEncode: letters, digits and "-._~" stay, every other byte becomes %XX in upper case.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func appendEscaped(dst []byte, text string, keepSlash bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// appendCanonicalQuery appends all parameters but X-Amz-Signature of presigned requests, encoded and then sorted by name and value.
func appendCanonicalQuery(dst []byte, q query, presigned bool) []byte {
	encoded := make([]parameter, 0, len(q))
	for _, p := range q {
		if presigned && p.name == "X-Amz-Signature" {
			continue
		}
		encoded = append(encoded, parameter{string(appendEscaped(nil, p.name, false)), string(appendEscaped(nil, p.value, false))})
	}
	slices.SortFunc(encoded, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range encoded {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

// canonicalRequest returns the canonical request without its last line (the payload's), ending in a line feed. Every signed header
// must be there. The result may hold a customer key: it must not be shown or logged, and the caller clears it.
func (s *Signed) canonicalRequest(r *http.Request, q query) ([]byte, error) {
	dst := make([]byte, 0, 1024)
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	if r.URL.Path == "" {
		dst = append(dst, '/')
	}
	dst = appendEscaped(dst, r.URL.Path, true)
	dst = append(dst, '\n')
	dst = appendCanonicalQuery(dst, q, s.Presigned)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(s.signedHeaders, ";") {
		values, ok := headerValues(r, name)
		if !ok {
			clear(dst)
			return nil, s.malformed("the signed header %q is not in the request.", name)
		}
		dst = append(dst, name...)
		dst = append(dst, ':')
		for i, value := range values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendTrimmed(dst, value)
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, s.signedHeaders...)
	return append(dst, '\n'), nil
}

// headerValues returns the values of a signed header, also of those the HTTP server keeps elsewhere.
func headerValues(r *http.Request, name string) ([]string, bool) {
	if name == "host" {
		return []string{r.Host}, r.Host != ""
	}
	if values, ok := r.Header[textproto.CanonicalMIMEHeaderKey(name)]; ok {
		return values, true
	}
	switch name {
	case "content-length":
		return []string{strconv.FormatInt(r.ContentLength, 10)}, r.ContentLength >= 0
	case "transfer-encoding":
		return r.TransferEncoding, len(r.TransferEncoding) > 0
	case "expect":
		// HTTP/2 servers remove it; there is one value a client may send.
		return []string{"100-continue"}, r.ProtoMajor >= 2
	}
	return nil, false
}

// appendTrimmed appends a header value without leading and trailing blanks and with runs of spaces made one.
func appendTrimmed(dst []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if value[i] == ' ' && value[i-1] == ' ' {
			continue
		}
		dst = append(dst, value[i])
	}
	return dst
}
