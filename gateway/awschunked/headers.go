package awschunked

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	maxTrailers      = 16
	trailerSignature = "x-amz-trailer-signature"
	checksumTrailer  = "x-amz-checksum-"
)

// ParseDecodedLength reads x-amz-decoded-content-length, which every aws-chunked body needs. The error is an *[Error].
func ParseDecodedLength(h http.Header) (int64, error) {
	values := h["X-Amz-Decoded-Content-Length"]
	if len(values) == 0 {
		return 0, refuse(MissingDecodedLength, "You must provide the x-amz-decoded-content-length HTTP header.")
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if len(values) > 1 || err != nil {
		return 0, refuse(InvalidDecodedLength, "x-amz-decoded-content-length must be one number of bytes")
	}
	return int64(n), nil
}

// ParseTrailerNames reads x-amz-trailer: header names separated by commas, over one or several headers. It returns them in lower case,
// nil when there are none. Trailers carry checksums and nothing else: other names, repeated ones and more than 16 are refused with an *[Error].
func ParseTrailerNames(h http.Header) ([]string, error) {
	var names []string
	for _, value := range h["X-Amz-Trailer"] {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if !token(name) || !strings.HasPrefix(name, checksumTrailer) || slices.Contains(names, name) || len(names) == maxTrailers {
				return nil, refuse(InvalidTrailerNames, "The value specified in the x-amz-trailer header is not supported")
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// StripContentEncoding returns a Content-Encoding without aws-chunked, which is the transport's and not the object's; found says
// whether it was there. "aws-chunked,gzip" gives "gzip". Repeated headers are joined by the caller with ",".
func StripContentEncoding(value string) (rest string, found bool) {
	var kept []string
	for coding := range strings.SplitSeq(value, ",") {
		coding = strings.Trim(coding, " \t")
		switch {
		case strings.EqualFold(coding, "aws-chunked"):
			found = true
		case coding != "":
			kept = append(kept, coding)
		}
	}
	if !found {
		return value, false
	}
	return strings.Join(kept, ","), true
}

// token reports whether text is a header name (RFC 9110).
func token(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return text != ""
}
