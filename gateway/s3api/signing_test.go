package s3api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signer signs requests in every form, written from the specification and not from gateway/sigv4.
type signer struct {
	accessKey, secretKey, region string
	at                           time.Time
	unsigned                     []string // lower-case headers left out of the signed list
	chunk                        int      // bytes of a chunk; 0 = testChunk
}

// form is one way of signing a request with a body.
type form string

const (
	formHashed          form = "header, hashed payload"
	formUnsigned        form = "header, unsigned payload"
	formPresigned       form = "presigned"
	formStreaming       form = "signed chunks"
	formStreamTrailer   form = "signed chunks and trailer"
	formUnsignedTrailer form = "unsigned chunks and trailer"
)

func allForms() []form {
	return []form{formHashed, formUnsigned, formPresigned, formStreaming, formStreamTrailer, formUnsignedTrailer}
}

const testChunk = 8 << 10

// sign gives the request a body in the form and signs it.
func (s signer) sign(r *http.Request, f form, body []byte) {
	setBody := func(b []byte) {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		if len(b) == 0 {
			r.Body = http.NoBody
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	}
	switch f {
	case formHashed:
		setBody(body)
		s.signHeader(r, hexSHA(body))
	case formUnsigned:
		setBody(body)
		s.signHeader(r, "UNSIGNED-PAYLOAD")
	case formPresigned:
		setBody(body)
		s.presign(r, time.Hour)
	case formStreaming, formStreamTrailer, formUnsignedTrailer:
		r.Header.Set("Content-Encoding", "aws-chunked")
		r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)))
		if f != formStreaming {
			r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		}
		seed := s.signHeader(r, map[form]string{
			formStreaming: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", formStreamTrailer: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
			formUnsignedTrailer: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		}[f])
		setBody(s.chunked(f, body, seed))
	default:
		panic(f)
	}
}

func (s signer) chunked(f form, body []byte, seed string) []byte {
	var out bytes.Buffer
	previous := seed
	chunk := func(data []byte) {
		fmt.Fprintf(&out, "%x", len(data))
		if f != formUnsignedTrailer {
			text := strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", s.stamp(), s.scope(), previous, hexSHA(nil), hexSHA(data)}, "\n")
			previous = s.mac(text)
			out.WriteString(";chunk-signature=" + previous)
		}
		out.WriteString("\r\n")
		out.Write(data)
		if len(data) > 0 {
			out.WriteString("\r\n")
		}
	}
	size := s.chunk
	if size == 0 {
		size = testChunk
	}
	for rest := body; len(rest) > 0; {
		n := min(size, len(rest))
		chunk(rest[:n])
		rest = rest[n:]
	}
	chunk(nil)
	if f != formStreaming {
		sum := crc32.ChecksumIEEE(body)
		line := "x-amz-checksum-crc32:" + base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
		out.WriteString(line + "\r\n")
		if f == formStreamTrailer {
			text := strings.Join([]string{"AWS4-HMAC-SHA256-TRAILER", s.stamp(), s.scope(), previous, hexSHA([]byte(line + "\n"))}, "\n")
			out.WriteString("x-amz-trailer-signature:" + s.mac(text) + "\r\n")
		}
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

// signHeader sets Authorization and returns the signature.
func (s signer) signHeader(r *http.Request, payload string) string {
	r.Header.Set("X-Amz-Date", s.stamp())
	if payload != "" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	names := s.names(r)
	signature := s.signature(r, r.URL.Query(), names, payload)
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", s.accessKey, s.scope(),
		strings.Join(names, ";"), signature))
	return signature
}

func (s signer) presign(r *http.Request, expires time.Duration) {
	names := s.names(r)
	q := r.URL.Query()
	q.Set("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
	q.Set("X-Amz-Credential", s.accessKey+"/"+s.scope())
	q.Set("X-Amz-Date", s.stamp())
	q.Set("X-Amz-Expires", strconv.Itoa(int(expires/time.Second)))
	q.Set("X-Amz-SignedHeaders", strings.Join(names, ";"))
	q.Set("X-Amz-Signature", s.signature(r, q, names, "UNSIGNED-PAYLOAD"))
	r.URL.RawQuery = q.Encode()
}

func (s signer) names(r *http.Request) []string {
	names := []string{"host"}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.unsigned, lower) {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}

func (s signer) signature(r *http.Request, q url.Values, names []string, payload string) string {
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			if value = r.Host; value == "" {
				value = r.URL.Host
			}
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	canonical := strings.Join([]string{
		r.Method, awsEscape(r.URL.Path, true), canonicalQuery(q), headers.String(), strings.Join(names, ";"), payload,
	}, "\n")
	return s.mac(strings.Join([]string{"AWS4-HMAC-SHA256", s.stamp(), s.scope(), hexSHA([]byte(canonical))}, "\n"))
}

func (s signer) stamp() string { return s.at.UTC().Format("20060102T150405Z") }

func (s signer) scope() string {
	return s.at.UTC().Format("20060102") + "/" + s.region + "/s3/aws4_request"
}

func (s signer) mac(text string) string {
	key := []byte("AWS4" + s.secretKey)
	for step := range strings.SplitSeq(s.scope(), "/") {
		key = hmacSHA(key, step)
	}
	return hex.EncodeToString(hmacSHA(key, text))
}

func hmacSHA(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hexSHA(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func canonicalQuery(q url.Values) string {
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(awsEscape(a, false), awsEscape(b, false)) })
	var pairs []string
	for _, name := range names {
		values := slices.Sorted(slices.Values(q[name]))
		for _, value := range values {
			pairs = append(pairs, awsEscape(name, false)+"="+awsEscape(value, false))
		}
	}
	return strings.Join(pairs, "&")
}

func awsEscape(s string, keepSlash bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0 || c == '/' && keepSlash {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
