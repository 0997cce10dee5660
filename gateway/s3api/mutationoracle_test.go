package s3api

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// wireRequest is a request as the oracle reads it from the bytes of the wire. It knows of S3's rules only what it needs to say what a signature binds.
type wireRequest struct {
	method, path, query string
	headers             [][2]string // lower-case name, value with folded lines joined
	body                []byte
}

// readWire splits a request into its pieces; nil if it is none.
func readWire(wire []byte) *wireRequest {
	head, body, ok := bytes.Cut(wire, []byte("\r\n\r\n"))
	if !ok {
		return nil
	}
	lines := strings.Split(string(head), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	line := strings.SplitN(lines[0], " ", 3)
	if len(line) != 3 || !strings.HasPrefix(line[1], "/") {
		return nil
	}
	r := &wireRequest{method: line[0], body: body}
	r.path, r.query, _ = strings.Cut(line[1], "?")
	for _, text := range lines[1:] {
		if n := len(r.headers); n > 0 && strings.HasPrefix(strings.Replace(text, "\t", " ", 1), " ") {
			r.headers[n-1][1] = strings.Trim(r.headers[n-1][1]+" "+strings.Trim(text, " \t"), " \t")
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil
		}
		r.headers = append(r.headers, [2]string{strings.ToLower(name), strings.Trim(value, " \t")})
	}
	r.body = nil // unless a length says otherwise: what follows is the next request
	if length, ok := r.header("content-length"); ok {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(body) {
			return nil // the body never comes, or not whole
		}
		r.body = body[:n]
	}
	return r
}

// header returns the value of a header that is there once.
func (r *wireRequest) header(name string) (value string, once bool) {
	values := r.values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func (r *wireRequest) values(name string) (values []string) {
	for _, h := range r.headers {
		if h[0] == name {
			values = append(values, h[1])
		}
	}
	return values
}

// claim is all that a signature says, in the canonical form of AWS' rules. Two requests with equal claims are one request to whoever signed.
type claim struct {
	accessKey, date, scope, signature string
	request                           string // canonical, without the payload's line
}

// canonical returns what the request's signature claims and which last lines may stand below it; ok is false if no rule gives it a meaning.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and sigv4-query-string-auth.html.
func (r *wireRequest) canonical() (c claim, payloads []string, ok bool) {
	path, ok := percentDecode(r.path, false)
	if !ok {
		return c, nil, false
	}
	var parameters [][2]string
	for piece := range strings.SplitSeq(r.query, "&") {
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		name, ok1 := percentDecode(name, true)
		value, ok2 := percentDecode(value, true)
		if !ok1 || !ok2 {
			return c, nil, false
		}
		parameters = append(parameters, [2]string{name, value})
	}
	authorization := r.values("authorization")
	var credential, signed string
	presigned := len(authorization) == 0
	if presigned {
		fields, unique := map[string]string{}, true
		for _, p := range parameters {
			_, twice := fields[p[0]]
			unique = unique && !twice
			fields[p[0]] = p[1]
		}
		if !unique || fields["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256" {
			return c, nil, false
		}
		credential, signed, c.signature, c.date = fields["X-Amz-Credential"], fields["X-Amz-SignedHeaders"], fields["X-Amz-Signature"], fields["X-Amz-Date"]
	} else {
		list, found := strings.CutPrefix(authorization[0], "AWS4-HMAC-SHA256 ")
		if len(authorization) != 1 || !found {
			return c, nil, false
		}
		fields := map[string]string{}
		for field := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(strings.Trim(field, " \t"), "=")
			fields[name] = value
		}
		credential, signed, c.signature = fields["Credential"], fields["SignedHeaders"], fields["Signature"]
		c.date, _ = r.header("x-amz-date")
	}
	c.accessKey, c.scope, _ = strings.Cut(credential, "/")
	block, ok := r.canonicalHeaders(signed)
	if !ok {
		return c, nil, false
	}
	c.request = strings.Join([]string{r.method, awsEscape(path, true), canonicalParameters(parameters, presigned), block, signed}, "\n")
	return c, r.payloads(presigned, signed), true
}

// canonicalHeaders returns a line for each signed header, and false unless host and all that begins with x-amz- is signed.
func (r *wireRequest) canonicalHeaders(signed string) (string, bool) {
	names := strings.Split(signed, ";")
	for _, h := range r.headers {
		if strings.HasPrefix(h[0], "x-amz-") && h[0] != "x-amz-content-sha256" && !slices.Contains(names, h[0]) {
			return "", false
		}
	}
	var block strings.Builder
	for _, name := range names {
		values := slices.Clone(r.values(name))
		if len(values) == 0 {
			return "", false
		}
		for i, v := range values {
			for strings.Contains(v, "  ") {
				v = strings.ReplaceAll(v, "  ", " ")
			}
			values[i] = v
		}
		block.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return block.String(), slices.Contains(names, "host")
}

// payloads are the last lines that the request can mean. A presigned request binds none, and signers differ on a digest that it carries unsigned.
func (r *wireRequest) payloads(presigned bool, signed string) []string {
	line, once := r.header("x-amz-content-sha256")
	switch {
	case !presigned && once:
		return []string{line}
	case !presigned:
		return nil
	case once && slices.Contains(strings.Split(signed, ";"), "x-amz-content-sha256"):
		return []string{line}
	case once:
		return []string{line, "UNSIGNED-PAYLOAD"}
	}
	return []string{"UNSIGNED-PAYLOAD"}
}

func canonicalParameters(parameters [][2]string, presigned bool) string {
	var encoded [][2]string
	for _, p := range parameters {
		if !presigned || p[0] != "X-Amz-Signature" {
			encoded = append(encoded, [2]string{awsEscape(p[0], false), awsEscape(p[1], false)})
		}
	}
	slices.SortFunc(encoded, func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) })
	pairs := make([]string, len(encoded))
	for i, p := range encoded {
		pairs[i] = p[0] + "=" + p[1]
	}
	return strings.Join(pairs, "&")
}

func percentDecode(text string, plusIsSpace bool) (string, bool) {
	var out []byte
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '+' && plusIsSpace:
			out = append(out, ' ')
		case text[i] == '%':
			if i+3 > len(text) {
				return "", false
			}
			b, err := hex.DecodeString(text[i+1 : i+3])
			if err != nil {
				return "", false
			}
			out = append(out, b...)
			i += 2
		default:
			out = append(out, text[i])
		}
	}
	return string(out), true
}

// content takes the framing off the body as the payload line demands, and verifies what the line and the chunks' signatures bind. trailer is the block
// of trailers that came with it.
func (r *wireRequest) content(s signer, seed, payload string) (content []byte, trailer string, ok bool) {
	switch payload {
	case "UNSIGNED-PAYLOAD":
		return r.body, "", true
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
	default:
		return r.body, "", hexSHA(r.body) == payload
	}
	binds := func(given, kind string, rest ...string) bool {
		want := s.mac(strings.Join(append([]string{"AWS4-HMAC-SHA256-" + kind, s.stamp(), s.scope(), seed}, rest...), "\n"))
		seed = given
		return hmac.Equal([]byte(want), []byte(given))
	}
	for rest := r.body; ; {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		digits, signature, marked := strings.Cut(string(line), ";chunk-signature=")
		n, err := strconv.ParseUint(digits, 16, 31)
		if !found || !marked || err != nil || int(n)+2 > len(after) {
			return nil, "", false
		}
		if !binds(signature, "PAYLOAD", hexSHA(nil), hexSHA(after[:n])) {
			return nil, "", false
		}
		content, rest = append(content, after[:n]...), after[n:]
		if n > 0 {
			if !bytes.HasPrefix(rest, []byte("\r\n")) {
				return nil, "", false
			}
			rest = rest[2:]
			continue
		}
		if payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" {
			return content, "", slices.Contains([]string{"\r\n", "\r\n\r\n", "\r\n\n"}, string(rest))
		}
		trailer, signature, ok := trailers(string(rest))
		return content, trailer, ok && binds(signature, "TRAILER", hexSHA([]byte(trailer)))
	}
}

// trailers returns the trailers as they are signed, and their signature. Names may come in any case and values between blanks; the framing is as
// package awschunked says that clients send it: any line end, a blank line before the signature, and one more at the end.
func trailers(text string) (signed, signature string, ok bool) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		name, value, found := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		switch {
		case name == "x-amz-trailer-signature":
			end := strings.Join(lines[i+1:], "\n")
			return signed, value, end == "\n" || end == "\n\n"
		case line == "" && i+1 < len(lines) && strings.HasPrefix(strings.ToLower(lines[i+1]), "x-amz-trailer-signature"):
		case !found:
			return "", "", false
		default:
			signed += name + ":" + value + "\n"
		}
	}
	return "", "", false
}
