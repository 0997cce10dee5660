// Package s3api is the S3 wire: it turns HTTP requests into calls of package objects and their results into S3's XML and headers.
//
// There is one operation table (operations.go) and one way through it (handler.go): parse and verify the signature, look up the principal,
// find the row, ask whether the principal may, and only then run the row's handler. All that happens before a body byte is read, so that a client
// which waits for "100 Continue" is told no before it sends anything. A row cannot leave these steps out because they stand before it.
//
// It promises: bucket and key are decoded once, from the path that was signed; what a request asks for is done or refused, never ignored;
// every failure is one S3 error from one table (errors.go), whose default shows no detail; once body bytes are out, a failure cuts the
// connection instead of ending a body cleanly. It does not promise more than docs/s3-compatibility.md lists, which a test holds to the table.
//
// It imports neither crypto nor providers. Customer keys pass through as values that print as REDACTED.
package s3api
