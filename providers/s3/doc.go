// Package s3 keeps objects in one bucket, below one prefix, of Amazon S3, MinIO or another service that speaks S3.
//
// It promises what package driver asks for, in the service's terms: an acknowledged write is as durable as the service makes it, and
// conditions are as atomic as the service decides them; Probe says what was found, and Capabilities say nothing else. Keys are stored
// verbatim, one to one, below the prefix. Bodies are streamed with constant memory and no temporary file. No change is sent twice: Store
// retries. No redirect is followed, and neither link-local addresses nor the well-known metadata services are ever connected to; loopback is, because
// endpoints come from the operator alone.
//
// What protects the bytes on the way. A body of up to 1 MiB is held in memory and sent with its CRC in a header, signed with its SHA-256 over
// plain HTTP. A longer one is streamed with its CRC in a trailer; over plain HTTP each chunk of it is signed, over TLS it is not. Parts carry a CRC only
// on MinIO: Amazon S3 takes one only for uploads that declared it, and then only parts with consecutive numbers. There the CRC-64/NVME that the service
// computes by itself is compared with ours when it tells it. With checksum "none" signatures and TLS are what is left.
//
// ETags are the service's. Where they are hashes of the bytes, as commonly for single writes, equal bytes have equal ETags: a write of what
// is there already cannot be told from no write.
//
// MinIO and services like it hide "a/b" from every listing while an object "a" exists. There (option folder_clash) a write of a key is refused with
// InvalidKey while an ancestor or a descendant is an object. The check and the write are two steps: two gateways that write "a" and "a/b" at the same
// moment can both succeed. Nothing is lost then, both can be read, but lists show only "a" until one of them is deleted. Below ".sallyport/" nothing is
// checked. Names that such a service would take for another name (a leading or doubled slash, "." and "..", segments above 255 bytes) are InvalidKey.
//
// MinIO's lists have one more gap, which is closed here up to 66 names: a page that begins behind "a-b-c" ends the list early where more than that many
// objects bear a beginning of that name which goes on with a byte below '/' ("a", "a-b").
//
// It does not promise to keep an open upload for ever: MinIO drops uploads after its setting stale_uploads_expiry, by default 24 hours, and a bucket's rule
// that aborts incomplete uploads does the same anywhere; such an upload answers NoSuchUpload, and its notes are left for the sweep. Set both above
// the longest upload, and let no other lifecycle rule touch the prefix. On Amazon S3 a Complete that is repeated soon after the first may be answered
// like the first instead of NoSuchUpload.
package s3
