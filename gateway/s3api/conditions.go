package s3api

import (
	"net/http"
	"strings"
	"time"

	"sallyport/gateway/objects"
)

// readConditions collects the conditions of GET and HEAD. A date that is none is no condition (RFC 9110, 13.1.3); an ETag that is none is refused, as it
// was meant to be one.
func readConditions(h http.Header) (objects.ReadConditions, error) {
	c := objects.ReadConditions{IfModifiedSince: parseHTTPTime(h.Get("If-Modified-Since")), IfUnmodifiedSince: parseHTTPTime(h.Get("If-Unmodified-Since"))}
	err := etagConditions(h, "", &c)
	return c, err
}

// etagConditions reads If-Match and If-None-Match under a prefix of their names.
func etagConditions(h http.Header, prefix string, c *objects.ReadConditions) error {
	for _, t := range []struct {
		name string
		into *[]string
	}{
		{prefix + "If-Match", &c.IfMatch},
		{prefix + "If-None-Match", &c.IfNoneMatch},
	} {
		values := h.Values(t.name)
		*t.into = parseETags(values)
		if len(values) > 0 && len(*t.into) == 0 {
			return invalidArgument(strings.ToLower(t.name), values[0], "No ETag is given")
		}
	}
	return nil
}

// rangeCondition reads If-Range: one strong ETag, in quotes or, as S3's clients send them, without, or a date. Anything else is a condition that
// does not hold (RFC 9110, 13.1.5).
func rangeCondition(values []string) *objects.RangeCondition {
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 || strings.HasPrefix(values[0], "W/") || strings.Contains(values[0], "\", ") {
		return &objects.RangeCondition{}
	}
	if t := parseHTTPTime(values[0]); !t.IsZero() {
		return &objects.RangeCondition{ModTime: t}
	}
	return &objects.RangeCondition{ETag: strings.Trim(values[0], `"`)}
}

// sourceConditions collects the conditions a copy puts on its source.
func sourceConditions(h http.Header) (objects.ReadConditions, error) {
	var c objects.ReadConditions
	if err := etagConditions(h, "X-Amz-Copy-Source-", &c); err != nil {
		return c, err
	}
	for _, t := range []struct {
		name string
		into *time.Time
	}{
		{"X-Amz-Copy-Source-If-Modified-Since", &c.IfModifiedSince},
		{"X-Amz-Copy-Source-If-Unmodified-Since", &c.IfUnmodifiedSince},
	} {
		values, said := h[t.name]
		if !said {
			continue
		}
		if *t.into = parseHTTPTime(values[0]); t.into.IsZero() {
			return c, invalidArgument(strings.ToLower(t.name), values[0], "Bad Date")
		}
	}
	return c, nil
}

// writeConditions collects the conditions of a write. S3 knows If-None-Match: * and If-Match with one ETag; anything else is answered as S3 does,
// by saying that it is not implemented, and never by writing regardless.
func writeConditions(h http.Header) (objects.WriteConditions, error) {
	var c objects.WriteConditions
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		if h.Get(name) != "" {
			return c, notImplementedHeader(name)
		}
	}
	none, match := h.Values("If-None-Match"), h.Values("If-Match")
	if len(none) > 0 {
		if len(none) > 1 || strings.TrimSpace(none[0]) != "*" || len(match) > 0 {
			return c, notImplementedHeader("If-None-Match")
		}
		c.IfNoneMatch = true
	}
	if len(match) > 0 {
		etag, err := matchETag(match)
		if err != nil {
			return c, err
		}
		if etag == "*" {
			return c, notImplementedHeader("If-Match")
		}
		c.IfMatch = etag
	}
	return c, nil
}

// matchETag reads an If-Match header of a write: one ETag, or a star.
func matchETag(values []string) (string, error) {
	etags := parseETags(values)
	if len(values) > 1 || len(etags) != 1 {
		return "", notImplementedHeader("If-Match")
	}
	return etags[0], nil
}

// parseETags splits a list of entity tags. S3's clients send them with and without quotes.
func parseETags(values []string) []string {
	var etags []string
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			part = strings.Trim(part, " \t")
			part = strings.TrimPrefix(part, "W/")
			if part = strings.Trim(part, `"`); part != "" {
				etags = append(etags, part)
			}
		}
	}
	return etags
}

// parseHTTPTime returns the zero time for what is no HTTP date; RFC 9110, 13.1.3 and 13.1.4, wants such a condition ignored.
func parseHTTPTime(value string) time.Time {
	t, err := http.ParseTime(value)
	if err != nil {
		return time.Time{}
	}
	return t
}
