package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm      = "AWS4-HMAC-SHA256"
	ecdsaAlgorithm = "AWS4-ECDSA-P256-SHA256"
	service        = "s3"
	terminator     = "aws4_request"
	dateFormat     = "20060102T150405Z"
	dayFormat      = "20060102"

	maxAuthorization = 8 << 10
	maxAccessKey     = 128
	maxSignedHeaders = 256
	maxExpiry        = 7 * 24 * time.Hour
)

// Signed is what an authenticated request claims. Nothing of it is true before Verify returned nil. It is immutable.
type Signed struct {
	AccessKey string
	Region    string
	Date      time.Time     // UTC, whole seconds
	Presigned bool          // query authentication
	Expires   time.Duration // presigned: how long after Date the URL works
	Payload   Payload

	day           string // the scope's date
	signedHeaders string // as sent: lower-case, sorted, joined by ";"
	signature     [32]byte
	payloadLine   string // the last line of the canonical request
	// otherPayloadLine is a second possible last line: of a presigned request that carries an unsigned x-amz-content-sha256 with a
	// digest, which some signers bind and others do not. Empty when there is no doubt.
	otherPayloadLine string
}

// scope returns the credential scope: date, region, service and terminator.
func (s *Signed) scope() string { return s.day + "/" + s.Region + "/" + service + "/" + terminator }

// Parse reads the authentication of a request, and refuses what no secret could make right. The request is not changed and its body
// not touched. The error is an *[Error]; a request without authentication gives ErrAnonymous.
func Parse(r *http.Request) (*Signed, error) {
	if r.URL.Opaque != "" {
		return nil, refuse(InvalidURI, "the request target has no path")
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	authorization := r.Header["Authorization"]
	queryV4 := query.has("X-Amz-Algorithm") || query.has("X-Amz-Credential") || query.has("X-Amz-Signature")
	queryV2 := query.has("AWSAccessKeyId") || query.has("Signature") && query.has("Expires")
	kinds := len(authorization)
	for _, used := range []bool{queryV4, queryV2} {
		if used {
			kinds++
		}
	}
	switch {
	case kinds == 0:
		return nil, refuse(Anonymous, "Access Denied")
	case kinds > 1:
		return nil, refuse(MultipleAuth,
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case queryV2:
		return nil, refuse(UnsupportedMechanism, "The authorization mechanism you have provided is not supported. Please use %s.", algorithm)
	}
	var s *Signed
	if queryV4 {
		s, err = parsePresigned(query)
	} else {
		s, err = parseAuthorization(r.Header, authorization[0])
	}
	if err != nil {
		return nil, err
	}
	if len(r.Header["X-Amz-Security-Token"]) > 0 || query.has("X-Amz-Security-Token") {
		return nil, refuse(SecurityToken, "The provided token is malformed or otherwise invalid: temporary credentials are not used here.")
	}
	if err := s.readPayload(r.Header, query); err != nil {
		return nil, err
	}
	return s, nil
}

// malformed makes the error for a bad Authorization header or bad query parameters.
func (s *Signed) malformed(format string, args ...any) *Error {
	if s.Presigned {
		return refuse(MalformedQuery, format, args...)
	}
	return refuse(MalformedHeader, format, args...)
}

func parseAuthorization(h http.Header, value string) (*Signed, error) {
	s := &Signed{}
	if len(value) > maxAuthorization {
		return nil, s.malformed("The Authorization header is too long.")
	}
	mechanism, rest, _ := strings.Cut(value, " ")
	switch mechanism {
	case algorithm:
	case ecdsaAlgorithm:
		return nil, refuse(NotImplemented, "the signing algorithm %s is not implemented", ecdsaAlgorithm)
	default:
		return nil, refuse(UnsupportedMechanism, "The authorization mechanism you have provided is not supported. Please use %s.", algorithm)
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.Trim(field, " \t"), "=")
		_, repeated := fields[name]
		known := name == "Credential" || name == "SignedHeaders" || name == "Signature"
		if !ok || repeated || !known || value == "" {
			return nil, s.malformed("The authorization header is malformed; it must have Credential, SignedHeaders and Signature, each once.")
		}
		fields[name] = value
	}
	if len(fields) != 3 {
		return nil, s.malformed("The authorization header is malformed; it must have Credential, SignedHeaders and Signature, each once.")
	}
	date, err := headerDate(h)
	if err != nil {
		return nil, err
	}
	s.Date = date
	return s, s.setClaims(fields["Credential"], fields["SignedHeaders"], fields["Signature"])
}

// headerDate reads x-amz-date, or Date when there is none.
func headerDate(h http.Header) (time.Time, error) {
	values, ok := h["X-Amz-Date"]
	if !ok {
		values = h["Date"]
	}
	if len(values) == 1 {
		if date, ok := parseDate(values[0]); ok {
			return date, nil
		}
		if date, err := http.ParseTime(values[0]); !ok && err == nil {
			return date.UTC(), nil
		}
	}
	return time.Time{}, refuse(InvalidDate, "AWS authentication requires a valid Date or x-amz-date header")
}

func parseDate(text string) (time.Time, bool) {
	date, err := time.Parse(dateFormat, text)
	// time.Parse takes fractions of a second that the layout does not have.
	return date, err == nil && len(text) == len(dateFormat)
}

func parsePresigned(query query) (*Signed, error) {
	s := &Signed{Presigned: true}
	get := func(name string) (string, error) {
		value, n := query.one(name)
		if n != 1 || value == "" || !slices.Contains(query, parameter{name, value}) {
			return "", s.malformed("Query-string authentication version 4 requires the %s parameter, once and not empty.", name)
		}
		return value, nil
	}
	mechanism, err := get("X-Amz-Algorithm")
	if err != nil {
		return nil, err
	}
	switch mechanism {
	case algorithm:
	case ecdsaAlgorithm:
		return nil, refuse(NotImplemented, "the signing algorithm %s is not implemented", ecdsaAlgorithm)
	default:
		return nil, s.malformed("X-Amz-Algorithm only supports %q", algorithm)
	}
	var values [5]string
	for i, name := range []string{"X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires"} {
		if values[i], err = get(name); err != nil {
			return nil, err
		}
	}
	var ok bool
	if s.Date, ok = parseDate(values[3]); !ok {
		return nil, s.malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	seconds, err := strconv.ParseUint(values[4], 10, 32)
	s.Expires = time.Duration(seconds) * time.Second
	if err != nil || s.Expires < time.Second || s.Expires > maxExpiry || strconv.FormatUint(seconds, 10) != values[4] {
		return nil, s.malformed("X-Amz-Expires must be a number of seconds from 1 to %d", int(maxExpiry/time.Second))
	}
	return s, s.setClaims(values[0], values[1], values[2])
}

// setClaims reads the three things both kinds of authentication carry. s.Date is set.
func (s *Signed) setClaims(credential, signedHeaders, signature string) error {
	// The access key may hold slashes, the scope may not: read from the right.
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return s.malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	scope := parts[len(parts)-4:]
	s.AccessKey = strings.Join(parts[:len(parts)-4], "/")
	s.day, s.Region = scope[0], scope[1]
	switch {
	case s.AccessKey == "" || len(s.AccessKey) > maxAccessKey || !printable(s.AccessKey):
		return s.malformed("the access key in the Credential is mal-formed.")
	case s.day != s.Date.Format(dayFormat):
		return s.malformed("Invalid credential date. This date is not the same as X-Amz-Date.")
	case s.Region == "" || !printable(s.Region):
		return s.malformed("the region in the Credential is mal-formed.")
	case scope[2] != service:
		return s.malformed("incorrect service in the Credential. This endpoint belongs to %q.", service)
	case scope[3] != terminator:
		return s.malformed("incorrect terminal in the Credential. This endpoint uses %q.", terminator)
	}
	var ok bool
	if s.signature, ok = parseHex32(signature); !ok {
		return s.malformed("the Signature must be 64 lower-case hex digits.")
	}
	s.signedHeaders = signedHeaders
	return s.checkSignedHeaders()
}

// checkSignedHeaders wants lower-case names, strictly ascending, with host among them.
func (s *Signed) checkSignedHeaders() error {
	previous, n, host := "", 0, false
	for name := range strings.SplitSeq(s.signedHeaders, ";") {
		if n++; n > maxSignedHeaders || !headerName(name) || name <= previous {
			return s.malformed("SignedHeaders must be lower-case header names in ascending order, separated by semicolons.")
		}
		host = host || name == "host"
		previous = name
	}
	if !host {
		return s.malformed("SignedHeaders must contain host.")
	}
	return nil
}

// readPayload decides the payload mode and the last line of the canonical request.
func (s *Signed) readPayload(h http.Header, query query) error {
	const name = "X-Amz-Content-Sha256"
	headers, inHeader := h[name]
	fromQuery, inQuery := query.one(name)
	if len(headers) > 1 || inQuery > 1 {
		return refuse(InvalidPayloadHash, "x-amz-content-sha256 was sent more than once")
	}
	if !s.Presigned && inQuery > 0 {
		// Not where S3 looks with header authentication; accepting it silently would let two parties read two modes.
		return refuse(InvalidPayloadHash, "x-amz-content-sha256 must be a header when the Authorization header is used")
	}
	if inHeader && inQuery > 0 && headers[0] != fromQuery {
		return refuse(InvalidPayloadHash, "x-amz-content-sha256 differs between header and query")
	}
	switch {
	case inQuery > 0:
		s.payloadLine = fromQuery
	case inHeader:
		s.payloadLine = headers[0]
	case s.Presigned:
		s.payloadLine = unsignedPayload
	default:
		return refuse(MissingPayloadHash, "Missing required header for this request: x-amz-content-sha256")
	}
	var err error
	if s.Payload, err = parsePayload(s.payloadLine); err != nil {
		return err
	}
	if inQuery > 0 || !inHeader || s.signs("x-amz-content-sha256") {
		return nil
	}
	if s.Payload.Mode.Streaming() {
		return unsignedHeaders([]string{"x-amz-content-sha256"})
	}
	if s.Presigned && s.payloadLine != unsignedPayload {
		s.otherPayloadLine = unsignedPayload
	}
	return nil
}

// signs reports whether the lower-case header name is in the signed list.
func (s *Signed) signs(name string) bool {
	for signed := range strings.SplitSeq(s.signedHeaders, ";") {
		if signed == name {
			return true
		}
	}
	return false
}

func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// headerName reports whether name is a lower-case header name (RFC 9110 token).
func headerName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}
