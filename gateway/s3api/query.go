package s3api

import (
	"net/url"
	"strconv"
	"strings"
)

// parameters are a request's query, each name once.
type parameters map[string]string

// parseQuery reads the raw query. A name that comes twice is refused: what was signed and what is meant could otherwise be read differently.
func parseQuery(raw string, limit int) (parameters, error) {
	p := parameters{}
	if strings.Count(raw, "&") >= limit {
		return nil, refusef("InvalidRequest", "The query has more than %d parameters.", limit)
	}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, refuse("InvalidURI", "Couldn't parse the specified URI.").because(err)
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, refuse("InvalidURI", "Couldn't parse the specified URI.").because(err)
		}
		if _, twice := p[name]; twice {
			return nil, refuse("InvalidArgument", "A query parameter is given more than once.").with("ArgumentName", name)
		}
		p[name] = value
	}
	return p, nil
}

func (p parameters) has(name string) bool {
	_, ok := p[name]
	return ok
}

// count returns a parameter that is a count from 0 up to what S3 calls the maximum: absent is the maximum, more is the maximum.
func (p parameters) count(name string, maximum int) (int, error) {
	value, ok := p[name]
	if !ok || value == "" {
		return maximum, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, invalidArgument(name, value, "Provided "+name+" not an integer or within integer range")
	}
	if n < 0 {
		return 0, invalidArgument(name, value, "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return min(int(n), maximum), nil
}

// partNumber returns the parameter partNumber, from 1 to 10000.
func (p parameters) partNumber() (int, error) {
	value := p["partNumber"]
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxParts || value[0] == '+' {
		return 0, invalidArgument("partNumber", value, "Part number must be an integer between 1 and 10000, inclusive")
	}
	return n, nil
}

// maxParts is the greatest part number.
const maxParts = 10000

// isParameter reports the query names that some operation here reads, or that say nothing. Sub-resources are the table's.
func isParameter(name string) bool {
	switch name {
	case "x-id", "versionId", "partNumber", "uploadId", "prefix", "delimiter", "marker", "max-keys", "encoding-type", "continuation-token", "start-after",
		"fetch-owner", "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-parts", "part-number-marker", "max-buckets",
		"bucket-region", "response-content-type", "response-content-language", "response-expires", "response-cache-control",
		"response-content-disposition", "response-content-encoding":
		return true
	}
	return strings.HasPrefix(strings.ToLower(name), "x-amz-")
}

// checkParameters refuses names that nobody here knows where ignoring them could change what is meant: on every write, because S3 may have a sub-resource of
// that name which is not the object, and on reads if they look like one by having no value.
func checkParameters(q parameters, known map[string]bool, read bool) error {
	for name, value := range q {
		if !known[name] && !isParameter(name) && (!read || value == "") {
			return refuse("NotImplemented", "A parameter you provided implies functionality that is not implemented.").with("ArgumentName", name)
		}
	}
	return nil
}
