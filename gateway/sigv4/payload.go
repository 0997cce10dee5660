package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// PayloadMode says how the body is protected.
type PayloadMode int

// The modes. Zero is none of them, so that a forgotten mode matches nothing.
const (
	PayloadHashed                   PayloadMode = iota + 1 // the body has the SHA-256 in Payload.SHA256
	PayloadUnsigned                                        // UNSIGNED-PAYLOAD: the signature does not cover the body
	PayloadStreamingSigned                                 // STREAMING-AWS4-HMAC-SHA256-PAYLOAD: aws-chunked, every chunk signed
	PayloadStreamingSignedTrailer                          // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER: the same, and signed trailers
	PayloadStreamingUnsignedTrailer                        // STREAMING-UNSIGNED-PAYLOAD-TRAILER: aws-chunked, nothing signed, a checksum in the trailer
)

// The values of x-amz-content-sha256 that are no digests.
const (
	unsignedPayload          = "UNSIGNED-PAYLOAD"
	streamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamingPrefix          = "STREAMING-"
	ecdsaStreamingPrefix     = "STREAMING-AWS4-ECDSA-P256-SHA256-"
)

// Streaming reports whether the body is aws-chunked.
func (m PayloadMode) Streaming() bool {
	return m == PayloadStreamingSigned || m == PayloadStreamingSignedTrailer || m == PayloadStreamingUnsignedTrailer
}

// String returns what x-amz-content-sha256 says, "SHA256" for a digest.
func (m PayloadMode) String() string {
	switch m {
	case PayloadHashed:
		return "SHA256"
	case PayloadUnsigned:
		return unsignedPayload
	case PayloadStreamingSigned:
		return streamingSigned
	case PayloadStreamingSignedTrailer:
		return streamingSignedTrailer
	case PayloadStreamingUnsignedTrailer:
		return streamingUnsignedTrailer
	default:
		return fmt.Sprintf("PayloadMode(%d)", int(m))
	}
}

// Payload is what the request says of its body.
type Payload struct {
	Mode   PayloadMode
	SHA256 [sha256.Size]byte // with PayloadHashed
}

// parsePayload reads a value of x-amz-content-sha256. Digests are lower-case hex only: the text is part of what is signed.
func parsePayload(value string) (Payload, error) {
	switch value {
	case unsignedPayload:
		return Payload{Mode: PayloadUnsigned}, nil
	case streamingSigned:
		return Payload{Mode: PayloadStreamingSigned}, nil
	case streamingSignedTrailer:
		return Payload{Mode: PayloadStreamingSignedTrailer}, nil
	case streamingUnsignedTrailer:
		return Payload{Mode: PayloadStreamingUnsignedTrailer}, nil
	}
	if strings.HasPrefix(value, ecdsaStreamingPrefix) {
		return Payload{}, refuse(NotImplemented, "the payload form %s is not implemented", ecdsaStreamingPrefix+"*")
	}
	sum, ok := parseHex32(value)
	if !ok {
		return Payload{}, refuse(InvalidPayloadHash, "x-amz-content-sha256 must be %s, %s, %s, %s or a lower-case hex SHA-256", unsignedPayload, streamingSigned,
			streamingSignedTrailer, streamingUnsignedTrailer)
	}
	return Payload{Mode: PayloadHashed, SHA256: sum}, nil
}

// parseHex32 reads 64 lower-case hex digits.
func parseHex32(text string) (sum [32]byte, ok bool) {
	if len(text) != hex.EncodedLen(len(sum)) || strings.ToLower(text) != text {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}
