// Package checksum computes every digest of a body in one pass and holds the body to what the client promised.
//
// [Algorithm] and [Value] are the x-amz-checksum-* family: names, header names, sizes, base64 forms, and which types (FULL_OBJECT,
// COMPOSITE) S3 allows. [ParseHeaders] reads what a request promises about its body. [Reader] wraps the body, computes the wanted
// digests beside the consumer on another processor, and verifies them before the consumer sees io.EOF: on a mismatch it returns an
// *[Error] instead, so a consumer that commits only after a clean end never commits wrong bytes. [MultipartETag], [Composite] and
// [Combine] make the values of a multipart object from those of its parts.
//
// It promises: one pass, constant memory (at most [Buffers.Size] bytes per stream), no allocation per block, no goroutine that
// outlives its work even when a Reader is abandoned without Close. It does not promise secrecy or authenticity: MD5, SHA-1 and the
// CRCs find accidents, not attackers. Digests are public values, yet they are compared without an early exit.
//
// Every failure is an *[Error]; its [Reason] is what package s3api turns into an S3 error:
//
//	BadContentMD5         BadDigest 400                      the body does not match Content-MD5
//	ChecksumMismatch      BadDigest 400                      the body does not match x-amz-checksum-*
//	PayloadSHA256Mismatch XAmzContentSHA256Mismatch 400      the body does not match x-amz-content-sha256
//	InvalidContentMD5     InvalidDigest 400                  Content-MD5 is not the base64 of 16 bytes
//	InvalidValue          InvalidRequest 400                 an x-amz-checksum-* value is malformed
//	UnknownAlgorithm      InvalidRequest 400                 no such algorithm
//	UnsupportedAlgorithm  NotImplemented 501                 S3 has it (MD5, SHA512, XXHASH…), this gateway does not
//	MultipleChecksums     InvalidRequest 400                 more than one x-amz-checksum-* value, or header and trailer
//	AlgorithmConflict     InvalidRequest 400                 x-amz-sdk-checksum-algorithm names another algorithm than the value
//	MissingChecksum       InvalidRequest 400                 an algorithm is announced, neither value nor trailer is
//	InvalidTrailer        MalformedTrailerError 400          the announced trailer is missing or malformed
//	InvalidType           InvalidRequest 400                 the algorithm has no such checksum type
//	Incomplete            IncompleteBody 400                 the body ended before its announced size
//	TooLong               IncompleteBody 400                 the body went on past its announced size
//
// The errors of the source pass through unchanged.
//
// Specification: docs/s3-compatibility.md, "Checksums", and
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html.
package checksum
