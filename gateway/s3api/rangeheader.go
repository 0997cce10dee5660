package s3api

import (
	"math"
	"strconv"
	"strings"

	"sallyport/gateway/objects"
)

// parseRange reads a Range header. What S3 ignores yields nil, the whole object: other units, bad syntax, first after last, several ranges.
func parseRange(header string) *objects.RangeSpec {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil
	}
	first, last, ok := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !ok {
		return nil
	}
	first, last = strings.Trim(first, " \t"), strings.Trim(last, " \t")
	if first == "" {
		n, ok := parseOffset(last)
		if !ok {
			return nil
		}
		return &objects.RangeSpec{Suffix: n, HasSuffix: true}
	}
	from, ok := parseOffset(first)
	if !ok {
		return nil
	}
	if last == "" {
		return &objects.RangeSpec{First: from, Last: -1}
	}
	to, ok := parseOffset(last)
	if !ok || to < from {
		return nil
	}
	return &objects.RangeSpec{First: from, Last: to}
}

// parseOffset reads decimal digits. A number past int64 is a position past the end of any object, and stays one.
func parseOffset(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

// parseCopyRange reads x-amz-copy-source-range, which S3 demands to be bytes=first-last and refuses otherwise.
func parseCopyRange(header string) (*objects.RangeSpec, error) {
	spec := parseRange(header)
	if spec == nil || spec.HasSuffix || spec.Last < 0 || strings.ContainsAny(header, " \t") {
		return nil, invalidArgument("x-amz-copy-source-range", header,
			"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	return spec, nil
}
