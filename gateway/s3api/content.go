package s3api

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/gateway/objects"
)

// Bounds of what an object's headers may take. S3 allows 2 KiB of user metadata and 8 KiB of headers in all.
const (
	maxUserMetadata   = 2 << 10
	maxContentHeaders = 8 << 10
)

const metadataPrefix = "X-Amz-Meta-"

// contentHeaderNames are the standard headers that S3 keeps with an object.
func contentHeaderNames() []string {
	return []string{"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"}
}

// parseContent collects what a client says of an object besides its bytes. chunked says that the body came in aws-chunked framing,
// whose name is then no encoding of the object.
func parseContent(h http.Header) (objects.Content, error) {
	c := objects.Content{Headers: map[string]string{}, Metadata: map[string]string{}}
	total := 0
	for _, name := range contentHeaderNames() {
		value := h.Get(name)
		if name == "Content-Encoding" {
			value = stripChunkedEncoding(h.Values(name))
		}
		if value == "" {
			continue
		}
		if err := checkHeaderValue(name, value); err != nil {
			return c, err
		}
		c.Headers[strings.ToLower(name)] = value
		total += len(name) + len(value)
	}
	if total > maxContentHeaders {
		return c, refuse("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.").
			with("Size", itoa(total)).with("MaxSizeAllowed", itoa(maxContentHeaders))
	}
	if c.Headers["content-type"] == "" {
		c.Headers["content-type"] = "binary/octet-stream" // S3's default, which clients see again
	}
	total = 0
	for name, values := range h {
		rest, ok := strings.CutPrefix(name, metadataPrefix)
		if !ok {
			continue
		}
		rest = strings.ToLower(rest)
		if rest == "" {
			return c, invalidArgument(strings.ToLower(name), "", "A metadata name is empty.")
		}
		if isInternalName(rest) {
			return c, invalidArgument(strings.ToLower(name), "", "This metadata name is reserved.")
		}
		value := strings.Join(values, ",")
		if err := checkHeaderValue(name, value); err != nil {
			return c, err
		}
		c.Metadata[rest] = value
		total += len(rest) + len(value)
	}
	if total > maxUserMetadata {
		return c, refuse("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.").
			with("Size", itoa(total)).with("MaxSizeAllowed", itoa(maxUserMetadata))
	}
	return c, nil
}

// isInternalName reports whether a metadata name is one of the gateway's own. None is stored under such a name today; none will ever be taken from
// a client, so that one can be.
func isInternalName(name string) bool { return strings.HasPrefix(name, "sallyport-") }

// checkHeaderValue refuses what could not be given back as a header: control characters, and bytes that are no UTF-8.
func checkHeaderValue(name, value string) error {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return refuse("InvalidArgument", "A header value must be UTF-8 text without control characters.").with("ArgumentName", strings.ToLower(name))
	}
	return nil
}

// stripChunkedEncoding drops aws-chunked, which describes the transfer and not the object.
func stripChunkedEncoding(values []string) string {
	var kept []string
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" && !strings.EqualFold(part, "aws-chunked") {
				kept = append(kept, part)
			}
		}
	}
	return strings.Join(kept, ",")
}

// writeContent puts an object's headers and metadata into an answer. Names of metadata go out in lower case, as S3 has them: a header's name has no case,
// but boto3 hands what follows the prefix to its caller as it came.
func writeContent(h http.Header, c *objects.Content) {
	for _, name := range contentHeaderNames() {
		if value := c.Headers[strings.ToLower(name)]; value != "" {
			h.Set(name, value)
		}
	}
	for name, value := range c.Metadata {
		h[strings.ToLower(metadataPrefix)+name] = []string{value}
	}
}

// responseOverrides are the query parameters with which a signed GET or HEAD replaces headers of the answer.
func responseOverrides(q parameters) (http.Header, error) {
	overrides := http.Header{}
	for parameter, name := range map[string]string{
		"response-content-type":        "Content-Type",
		"response-content-language":    "Content-Language",
		"response-expires":             "Expires",
		"response-cache-control":       "Cache-Control",
		"response-content-disposition": "Content-Disposition",
		"response-content-encoding":    "Content-Encoding",
	} {
		value, ok := q[parameter]
		if !ok || value == "" {
			continue
		}
		if err := checkHeaderValue(parameter, value); err != nil {
			return nil, err
		}
		overrides.Set(name, value)
	}
	return overrides, nil
}

// parseTagging reads x-amz-tagging. Tags are not kept, so only an empty set can be honoured.
func checkTagging(h http.Header) error {
	values, present := h["X-Amz-Tagging"]
	if !present {
		return nil
	}
	if tags, err := url.ParseQuery(strings.Join(values, "&")); err == nil && len(tags) == 0 {
		return nil
	}
	return notImplementedHeader("x-amz-tagging")
}

// httpTime is how S3 writes Last-Modified.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
