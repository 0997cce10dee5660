package s3api

import (
	"net/http"
	"strings"
)

// headerGroup is a set of x-amz-* headers that an operation honours.
type headerGroup uint32

const (
	plainWriteHeaders     headerGroup = 1 << iota // ACL, storage class, server-side encryption: accepted when they say what is so anyway
	metadataHeaders                               // x-amz-meta-*, and tags as far as there are none
	customerHeaders                               // SSE-C
	sourceHeaders                                 // copy source, its conditions, its SSE-C key
	sourceRangeHeaders                            // the range of a part's source
	directiveHeaders                              // what a copy takes from its source
	checksumHeaders                               // x-amz-checksum-*: values, algorithm and type
	checksumChoiceHeaders                         // algorithm and type without a value
	checksumModeHeaders                           // x-amz-checksum-mode
	attributeHeaders                              // GetObjectAttributes
	objectSizeHeaders                             // x-amz-mp-object-size
	listHeaders                                   // x-amz-optional-object-attributes
	bucketHeaders                                 // what CreateBucket may say
	writeConditionHeaders                         // If-Match, If-None-Match on a write
	anyHeaders                                    // refused operations: that they are refused is the answer
)

const contentGroup = plainWriteHeaders | metadataHeaders

// groupOf says which groups honour a header; lower-case names. Zero is a header that nothing here honours.
func groupOf(name string) headerGroup {
	switch name {
	case "x-amz-acl", "x-amz-storage-class", "x-amz-server-side-encryption":
		return plainWriteHeaders | bucketHeaders
	case "x-amz-tagging":
		return metadataHeaders
	case "x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key-md5":
		return customerHeaders
	case "x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match", "x-amz-copy-source-if-modified-since",
		"x-amz-copy-source-if-unmodified-since", "x-amz-copy-source-server-side-encryption-customer-algorithm",
		"x-amz-copy-source-server-side-encryption-customer-key", "x-amz-copy-source-server-side-encryption-customer-key-md5":
		return sourceHeaders
	case "x-amz-copy-source-range":
		return sourceRangeHeaders
	case "x-amz-metadata-directive", "x-amz-tagging-directive":
		return directiveHeaders
	case "x-amz-checksum-algorithm", "x-amz-checksum-type":
		return checksumHeaders | checksumChoiceHeaders
	case "x-amz-checksum-mode":
		return checksumModeHeaders
	case "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256":
		return checksumHeaders
	case "x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker":
		return attributeHeaders
	case "x-amz-mp-object-size":
		return objectSizeHeaders
	case "x-amz-optional-object-attributes":
		return listHeaders
	case "x-amz-bucket-object-lock-enabled", "x-amz-object-ownership":
		return bucketHeaders
	}
	if strings.HasPrefix(name, "x-amz-meta-") {
		return metadataHeaders
	}
	return 0
}

// isTransport reports headers that say how a request is sent, signed or paid, and that every operation takes.
func isTransport(name string) bool {
	switch name {
	case "x-amz-date", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm",
		"x-amz-user-agent", "x-amz-request-payer", "x-amz-te":
		return true
	}
	return false
}

// checkHeaders refuses every x-amz-* header that the operation does not honour, headers given twice, and values that ask for what is not so.
func checkHeaders(h http.Header, op *operation) error {
	for canonical, values := range h {
		name := strings.ToLower(canonical)
		if strings.HasPrefix(name, "x-sallyport-") {
			return invalidArgument(name, "", "This header name is reserved.")
		}
		if len(values) > 1 && !isListHeader(name) {
			if strings.HasPrefix(name, "x-amz-") || isSingleHeader(name) {
				return invalidArgument(name, "", "The header is given more than once.")
			}
		}
		if !strings.HasPrefix(name, "x-amz-") || isTransport(name) || op.headers&anyHeaders != 0 {
			continue
		}
		switch {
		case name == "x-amz-expected-bucket-owner", name == "x-amz-source-expected-bucket-owner":
			// Buckets here belong to no AWS account, so no account named is the owner.
			return accessDenied()
		case name == "x-amz-security-token":
			return refuse("InvalidToken", "The provided token is malformed or otherwise invalid.")
		case groupOf(name)&op.headers == 0:
			return notImplementedHeader(name)
		}
	}
	if op.headers&anyHeaders != 0 {
		return nil
	}
	reads := op.method == http.MethodGet || op.method == http.MethodHead
	if _, partial := h["Content-Range"]; partial && !reads {
		// Whoever sends it means a piece of the object (RFC 9110 section 14.5), which stored as the whole would be the end of the rest.
		return notImplementedHeader("content-range")
	}
	if !reads && op.headers&writeConditionHeaders == 0 {
		for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
			if h.Get(name) != "" {
				return notImplementedHeader(name)
			}
		}
	}
	return checkTruths(h)
}

// isListHeader reports headers whose repetition means a longer list.
func isListHeader(name string) bool {
	return strings.HasPrefix(name, "x-amz-meta-") || name == "x-amz-object-attributes" || name == "x-amz-optional-object-attributes" || name == "if-match" ||
		name == "if-none-match"
}

// isSingleHeader reports the standard headers that the gateway acts on and that may come once only.
func isSingleHeader(name string) bool {
	switch name {
	case "range", "content-md5", "content-type", "cache-control", "content-disposition", "content-language", "expires", "if-modified-since",
		"if-unmodified-since", "authorization", "expect":
		return true
	}
	return false
}

// checkTruths accepts the headers that ask for what is so anyway, and refuses their other values.
func checkTruths(h http.Header) error {
	if acl, ok := h["X-Amz-Acl"]; ok && acl[0] != "private" && acl[0] != "bucket-owner-full-control" {
		switch acl[0] {
		case "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "log-delivery-write":
			return notImplementedHeader("x-amz-acl")
		}
		return invalidArgument("x-amz-acl", acl[0], "Invalid canned ACL")
	}
	if class, ok := h["X-Amz-Storage-Class"]; ok && class[0] != "STANDARD" {
		return refuse("InvalidStorageClass", "The storage class you specified is not valid: only STANDARD is there.").with("StorageClassRequested", class[0])
	}
	if sse, ok := h["X-Amz-Server-Side-Encryption"]; ok && sse[0] != "AES256" {
		switch sse[0] {
		case "aws:kms", "aws:kms:dsse", "aws:fsx":
			return notImplementedHeader("x-amz-server-side-encryption")
		}
		return invalidArgument("x-amz-server-side-encryption", sse[0], "The encryption method specified is not supported")
	}
	if lock, ok := h["X-Amz-Bucket-Object-Lock-Enabled"]; ok && !strings.EqualFold(lock[0], "false") {
		return notImplementedHeader("x-amz-bucket-object-lock-enabled")
	}
	if ownership, ok := h["X-Amz-Object-Ownership"]; ok && ownership[0] != "BucketOwnerEnforced" && ownership[0] != "BucketOwnerPreferred" {
		return notImplementedHeader("x-amz-object-ownership")
	}
	if attributes, ok := h["X-Amz-Optional-Object-Attributes"]; ok && strings.Trim(strings.Join(attributes, ","), " ,") != "RestoreStatus" {
		return invalidArgument("x-amz-optional-object-attributes", attributes[0], "Invalid attribute name specified")
	}
	if _, customer := h[customerPrefix+"Algorithm"]; customer {
		if _, both := h["X-Amz-Server-Side-Encryption"]; both {
			return refuse("InvalidArgument", "Server Side Encryption with Customer provided keys cannot be combined with another encryption method.").
				with("ArgumentName", "x-amz-server-side-encryption")
		}
	}
	return checkTagging(h)
}
