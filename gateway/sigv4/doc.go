// Package sigv4 verifies AWS Signature Version 4 on S3 requests: Authorization header and presigned query, and the seed of signed
// chunked bodies.
//
// [Parse] reads what the request says of itself, without any secret: access key, scope, signed headers, date, expiry, payload mode.
// The caller looks the access key up and calls [Signed.Verify] with its [Secret], or with the zero Secret if there is no such key:
// that does the same work on a dummy key, takes the same time, and always fails. Only after Verify returned nil may anything in the
// request be believed.
//
// It promises: constant-time comparison; every x-amz-* header of the request is signed (see below); repeated headers and query
// parameters are all bound; the path is decoded exactly once and never cleaned; work and memory linear in the request head, which the
// HTTP server bounds. It does not look at the body: [Payload] says what the caller must hold the body to, and packages checksum and
// awschunked do that. It keeps no state, so within the clock window a request can be replayed, as with S3 itself.
//
// # Headers that must be signed
//
// Host and every header whose name begins with x-amz-. An unsigned x-amz-copy-source or SSE-C key would let whoever carries a
// presigned URL choose what is done. Only x-amz-content-sha256 may be left out of the list, for it is the last line of the canonical
// request anyway; left out, it may not select a streaming verifier. A header spelled so that net/http would not find it under its
// canonical name is refused.
//
// # What binds what
//
// The query is bound as handlers read it: "+" is a space, parameters split at "&" only. (url.Values drops parameters containing ";":
// handlers that use it see less than was signed, never more.) The path is bound as r.URL.Path, so %2F and / are the same, as in S3
// keys. A presigned URL carries its x-amz-* parameters under the signature; S3 honours them like headers, and [Parse] takes
// x-amz-content-sha256 from there, the rest is the caller's.
//
// # Errors
//
// Every failure is an *[Error]; its [Reason] is what package s3api turns into an S3 error:
//
//	Anonymous             AccessDenied 403                          no authentication in the request; also errors.Is(err, ErrAnonymous)
//	MultipleAuth          InvalidArgument 400                       two kinds of authentication, or one twice
//	UnsupportedMechanism  InvalidRequest 400                        Signature Version 2, Basic, Bearer…
//	NotImplemented        NotImplemented 501                        SigV4A (ECDSA) signature or payload
//	MalformedHeader       AuthorizationHeaderMalformed 400          the Authorization header; Error.Region is set when the region is wrong
//	MalformedQuery        AuthorizationQueryParametersError 400     the X-Amz-* query parameters; Region as above
//	InvalidURI            InvalidURI 400                            bad percent encoding in the query, or no path
//	InvalidDate           AccessDenied 403                          no valid x-amz-date or Date
//	SecurityToken         InvalidToken 400                          a session token: there are no temporary credentials here
//	MissingPayloadHash    InvalidRequest 400                        header authentication without x-amz-content-sha256
//	InvalidPayloadHash    InvalidArgument 400                       x-amz-content-sha256 is none of its forms, or is repeated
//	UnsignedHeaders       AccessDenied 403                          Error.Headers lists the names (HeadersNotSigned)
//	TimeSkewed            RequestTimeTooSkewed 403                  more than 15 minutes off, either way
//	NotYetValid           AccessDenied 403                          presigned for a time more than 15 minutes ahead
//	Expired               AccessDenied 403                          presigned and past its expiry
//	SignatureMismatch     SignatureDoesNotMatch 403                 wrong signature, or no such access key
//
// S3 answers InvalidAccessKeyId for an unknown key. Whether to do so is the caller's choice: Verify does not say which it was.
//
// Specification: docs/s3-compatibility.md, "Authentication", and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html.
package sigv4
