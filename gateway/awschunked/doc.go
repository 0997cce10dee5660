// Package awschunked decodes the aws-chunked content coding: the body of uploads whose x-amz-content-sha256 begins with STREAMING-.
//
// One [Reader] decodes all three forms: signed chunks, signed chunks with signed trailers, unsigned chunks with trailers. It streams:
// memory is one small buffer whatever the size of a chunk, and nothing is allocated per chunk. [ParseDecodedLength],
// [ParseTrailerNames] and [StripContentEncoding] read the headers that go with it.
//
// It promises: io.EOF comes only after the final chunk, all signatures, the trailers, exactly the decoded length and the end of the
// source; a body cut at any offset, and any chunk changed, reordered, repeated or dropped in the signed forms, gives an error. It does
// not promise that bytes handed over before the end are genuine: the data of a chunk goes out before its signature is known. Commit
// only on a clean io.EOF. Trailer checksums are package checksum's to verify: give it [Reader.Trailer].
//
// What is accepted beyond the letter, because clients send it: a bare line feed after a trailer; a blank line before
// x-amz-trailer-signature and one more after the end (minio-go does all three, so a body of its kind cut in front of that last blank
// line is whole); upper-case hex and leading zeros in sizes; chunks below 8 KiB that are not the last, which S3 refuses.
//
// Every failure of the coding is an *[Error]; its [Reason] is what package s3api turns into an S3 error. Other errors of the source
// pass through.
//
//	MissingDecodedLength  MissingContentLength 411       no x-amz-decoded-content-length
//	InvalidDecodedLength  InvalidArgument 400            it is no number from 0 to 2^63-1, or is repeated
//	InvalidTrailerNames   InvalidRequest 400             x-amz-trailer is malformed, or was sent with a form that has no trailers
//	MalformedChunk        InvalidRequest 400             a chunk header or line end is not as it must be
//	Incomplete            IncompleteBody 400             the body was cut, or is shorter than its decoded length
//	TooLong               IncompleteBody 400             the chunks hold more than the decoded length
//	TrailingData          InvalidRequest 400             something follows the end
//	ChunkSignature        SignatureDoesNotMatch 403      a chunk is not the signer's, or not in its place
//	TrailerSignature      SignatureDoesNotMatch 403      the trailers are not the signer's
//	MalformedTrailer      MalformedTrailerError 400      a trailer is malformed, unannounced, repeated, missing or too long
//
// Specification: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// sigv4-streaming-trailers.html.
package awschunked
