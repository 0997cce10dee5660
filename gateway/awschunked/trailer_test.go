package awschunked_test

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sallyport/gateway/awschunked"
)

func TestA8MalformedTrailers(t *testing.T) {
	const line = "x-amz-checksum-crc32:AAAAAA==\r\n"
	for name, ending := range map[string]string{
		"missing":          "\r\n",
		"repeated":         line + line + "\r\n",
		"unannounced":      line + "x-amz-meta-a:b\r\n\r\n",
		"another":          "x-amz-checksum-sha1:AAAAAA==\r\n\r\n",
		"no colon":         "x-amz-checksum-crc32\r\n\r\n",
		"no name":          ":AAAAAA==\r\n\r\n",
		"name with blank":  "x-amz-checksum-crc32 :AAAAAA==\r\n\r\n",
		"control in value": "x-amz-checksum-crc32:AA\x01AA\r\n\r\n",
		"bare CR in value": "x-amz-checksum-crc32:AA\rAA\r\n\r\n",
		"8 bit in value":   "x-amz-checksum-crc32:AA\xffAA\r\n\r\n",
		"signature":        line + "x-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n",
		"folded":           line + " more\r\n\r\n",
	} {
		b := &body{mode: awschunked.UnsignedTrailer, data: pattern(1), trailers: []string{crcTrailer}}
		_, r, err := b.decode(strings.NewReader("1\r\n\x00\r\n0\r\n" + ending))
		if reasonOf(t, err) != awschunked.MalformedTrailer {
			t.Errorf("%s: %v", name, err)
		}
		if r.Trailers() != nil {
			t.Errorf("%s: trailers shown", name)
		}
	}
}

func TestTrailersAreBounded(t *testing.T) {
	names := make([]string, 0, 12)
	var ending strings.Builder
	for i := range 12 {
		names = append(names, "x-"+string(rune('a'+i)))
		ending.WriteString(names[i] + ":" + strings.Repeat("v", 2000) + "\r\n")
	}
	b := &body{mode: awschunked.UnsignedTrailer, trailers: names}
	_, _, err := b.decode(strings.NewReader("0\r\n" + ending.String() + "\r\n"))
	if reasonOf(t, err) != awschunked.MalformedTrailer {
		t.Errorf("together: %v", err)
	}
	b.trailers = names[:1]
	_, _, err = b.decode(strings.NewReader("0\r\nx-a:" + strings.Repeat("v", 5000) + "\r\n\r\n"))
	if reasonOf(t, err) != awschunked.MalformedChunk {
		t.Errorf("one: %v", err)
	}
	b.trailers = names[:2]
	_, r, err := b.decode(strings.NewReader("0\r\nx-b:2\r\nx-a:1\r\n\r\n"))
	if err != nil || !slices.Equal(r.Trailers(), []awschunked.Trailer{{Name: "x-b", Value: "2"}, {Name: "x-a", Value: "1"}}) {
		t.Errorf("got %v, %v", r.Trailers(), err)
	}
}

// signedEnding returns a body of the signed trailer form with this ending; %s in it becomes the right trailer signature.
func signedEnding(ending string) *body {
	b := encode(awschunked.SignedTrailer, pattern(10), 20)
	c := newChain()
	data, empty := sha256.Sum256(b.data), sha256.Sum256(nil)
	c.sign("chunk", data[:])
	c.sign("chunk", empty[:])
	sum := sha256.Sum256([]byte(crcTrailer + ":" + crcValue + "\n"))
	b.ending = strings.ReplaceAll(ending, "%s", c.sign("trailer", sum[:]))
	return b
}

func TestA8SignedTrailers(t *testing.T) {
	const line = crcTrailer + ":" + crcValue
	for ending, want := range map[string]awschunked.Reason{
		line + "\r\nx-amz-trailer-signature:%s\r\n\r\n":                                  0,
		line + "\n\r\nx-amz-trailer-signature:%s\r\n\r\n":                                0, // minio-go
		line + "\nX-Amz-Trailer-Signature: %s\n\n":                                       0,
		"X-AMZ-checksum-crc32:  " + crcValue + " \r\nx-amz-trailer-signature:%s\r\n\r\n": 0,
		line + "\r\n\r\n":                    awschunked.Incomplete,
		line + "\r\n\r\n\r\n":                awschunked.MalformedTrailer,
		"\r\n\r\n":                           awschunked.MalformedTrailer,
		"x-amz-trailer-signature:%s\r\n\r\n": awschunked.TrailerSignature,
		"x-amz-trailer-signature:\r\n\r\n":   awschunked.TrailerSignature,
		line + "\r\nx-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n\r\n":       awschunked.TrailerSignature,
		line + "\r\nx-amz-trailer-signature:%s0\r\n\r\n":                                   awschunked.TrailerSignature,
		crcTrailer + ":BAAAAA==\r\nx-amz-trailer-signature:%s\r\n\r\n":                     awschunked.TrailerSignature,
		line + "\r\nx-amz-trailer-signature:%s\r\n" + line + "\r\n\r\n":                    awschunked.MalformedTrailer,
		line + "\r\nx-amz-trailer-signature:%s\r\nx-amz-trailer-signature:%s\r\n\r\n":      awschunked.MalformedTrailer,
		line + "\r\n\r\n" + line + "\r\nx-amz-trailer-signature:%s\r\n\r\n":                awschunked.MalformedTrailer,
		"x-amz-trailer-signature:%s\r\n" + line + "\r\n\r\n":                               awschunked.TrailerSignature,
		line + "\r\nx-amz-meta-a:b\r\nx-amz-trailer-signature:%s\r\n\r\n":                  awschunked.MalformedTrailer,
		line + "\r\nx-amz-trailer-signature:%s\r\n":                                        awschunked.Incomplete,
		line + "\r\nx-amz-trailer-signature:%s\r\n\r\n" + "x-amz-trailer-signature:%s\r\n": awschunked.TrailingData,
	} {
		b := signedEnding(ending)
		_, _, err := b.decode(strings.NewReader(b.wire()))
		if reasonOf(t, err) != want {
			t.Errorf("%q: %v", ending, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "66560": 66560, "9223372036854775807": 1<<63 - 1, "007": 7, "-1": -1, "+1": -1, "": -1, "9223372036854775808": -1, "1e3": -1, " 1": -1, "1,1": -1} {
		n, err := awschunked.ParseDecodedLength(http.Header{"X-Amz-Decoded-Content-Length": {text}})
		if want < 0 && reasonOf(t, err) != awschunked.InvalidDecodedLength || want >= 0 && (n != want || err != nil) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	_, err := awschunked.ParseDecodedLength(http.Header{})
	if reasonOf(t, err) != awschunked.MissingDecodedLength {
		t.Errorf("got %v", err)
	}
	_, err = awschunked.ParseDecodedLength(http.Header{"X-Amz-Decoded-Content-Length": {"1", "1"}})
	if reasonOf(t, err) != awschunked.InvalidDecodedLength {
		t.Errorf("got %v", err)
	}

	for _, c := range []struct {
		values []string
		want   []string
		bad    bool
	}{
		{nil, nil, false},
		{[]string{"x-amz-checksum-crc32"}, []string{"x-amz-checksum-crc32"}, false},
		{[]string{"X-Amz-Checksum-CRC32 , x-amz-checksum-a", "x-amz-checksum-b"}, []string{"x-amz-checksum-crc32", "x-amz-checksum-a", "x-amz-checksum-b"}, false},
		// Nothing but checksums: what nobody reads must not look accepted.
		{[]string{"x-amz-meta-a"}, nil, true},
		{[]string{"x-amz-tagging"}, nil, true},
		{[]string{"x-amz-server-side-encryption"}, nil, true},
		{[]string{"content-md5"}, nil, true},
		{[]string{"x-amz-checksum-crc32,foo"}, nil, true},
		{[]string{""}, nil, true},
		{[]string{"x-amz-checksum-a,"}, nil, true},
		{[]string{"x-amz-checksum-a", "x-amz-checksum-A"}, nil, true},
		{[]string{"x-amz-checksum-a b"}, nil, true},
		{[]string{"x-amz-checksum-é"}, nil, true},
		{[]string{"x-amz-trailer-signature"}, nil, true},
		{[]string{"x-amz-checksum-" + strings.Join(strings.Split("abcdefghijklmnopq", ""), ",x-amz-checksum-")}, nil, true},
	} {
		got, err := awschunked.ParseTrailerNames(http.Header{"X-Amz-Trailer": c.values})
		if (reasonOf(t, err) == awschunked.InvalidTrailerNames) != c.bad || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v", c.values, got, err)
		}
	}
	if _, err := awschunked.NewReader(strings.NewReader(""), &awschunked.Options{Mode: awschunked.Signed, Verifier: newChain(), TrailerNames: []string{"a"}}); reasonOf(t, err) != awschunked.InvalidTrailerNames {
		t.Errorf("got %v", err)
	}
}

func TestA10StripContentEncoding(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "gzip": "gzip", "aws-chunked": "", "aws-chunked,gzip": "gzip", "gzip, AWS-Chunked": "gzip", "gzip, aws-chunked , br": "gzip,br", "x-aws-chunked": "x-aws-chunked", "a,  b": "a,  b",
		"aws-chunked,": "",
	} {
		got, found := awschunked.StripContentEncoding(value)
		if got != want || found != (strings.Contains(strings.ToLower(value), "aws-chunked") && value != "x-aws-chunked") {
			t.Errorf("%q: %q, %v", value, got, found)
		}
	}
}
