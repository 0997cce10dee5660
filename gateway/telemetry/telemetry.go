// Package telemetry says what may be logged and measured, and how: the names of log attributes, the one [Event] of each request, the
// metrics, and the log handler.
//
// It promises that a log line holds only attributes of the list in this package: the handler replaces the value of every other one,
// and of every value that is not a plain string, number, time, duration or error. Access key ids that are not of the configuration, unknown methods and
// impossible bucket names are replaced, so that what a client sends cannot flood a log or a metric with values of its choice.
//
// It does not promise that an error's text or a message is free of secrets: whoever writes those keeps secrets in types that print as
// REDACTED.
//
// The package is a leaf: it knows nothing of the gateway and anyone may import it.
package telemetry

import (
	"log/slog"
	"time"
)

// The names of log attributes. An attribute of any other name is logged without its value.
const (
	KeyRequestID  = "request_id"
	KeyMethod     = "method"
	KeyOperation  = "operation"
	KeyBucket     = "bucket"
	KeyStatus     = "status"
	KeyCode       = "code" // S3 error code
	KeyBytesIn    = "bytes_in"
	KeyBytesOut   = "bytes_out"
	KeyMillis     = "ms"
	KeyAccessKey  = "access_key" // of the configuration, never what a client invents
	KeyError      = "error"
	KeyVault      = "vault"
	KeyGeneration = "generation"
	KeyCount      = "count"
	KeyBytes      = "bytes"
	KeyAddress    = "address"
	KeyPath       = "path" // of a file on this machine, never of an object
	KeyReason     = "reason"
	KeyObject     = "object" // an object's key, only where somebody must look at that object
)

// allowed holds the names above, and those that packages below the gateway use, which do not import this one.
func allowed(name string) bool {
	switch name {
	case "provider", "kind", "err", "op", "result", "wait", "duration", "sent", "received", "doing", "warning", "directory", "foreign", "unopened", "field":
		return true
	case KeyRequestID, KeyMethod, KeyOperation, KeyBucket, KeyStatus, KeyCode, KeyBytesIn, KeyBytesOut, KeyMillis, KeyAccessKey, KeyError, KeyVault,
		KeyGeneration, KeyCount, KeyBytes, KeyAddress, KeyPath,
		KeyReason, KeyObject:
		return true
	}
	return false
}

// RequestID is the id that the client sees too.
func RequestID(id string) slog.Attr { return slog.String(KeyRequestID, id) }

// Method is an HTTP method; one that HTTP does not define becomes OTHER.
func Method(method string) slog.Attr { return slog.String(KeyMethod, knownMethod(method)) }

// Operation is the S3 or backend operation.
func Operation(name string) slog.Attr { return slog.String(KeyOperation, name) }

// Bucket is a bucket name; what cannot be one becomes (invalid).
func Bucket(name string) slog.Attr { return slog.String(KeyBucket, plausibleBucket(name)) }

// Status is an HTTP status.
func Status(status int) slog.Attr { return slog.Int(KeyStatus, status) }

// Code is an S3 error code.
func Code(code string) slog.Attr { return slog.String(KeyCode, code) }

// Millis is a duration in milliseconds.
func Millis(d time.Duration) slog.Attr {
	return slog.Float64(KeyMillis, float64(d.Microseconds())/1000)
}

// AccessKey is the id of an access key of the configuration, which is no secret. What a client sends in its place may be one, its secret key by
// mistake, and is not for the log. What cannot be an id becomes (invalid).
func AccessKey(id string) slog.Attr { return slog.String(KeyAccessKey, plausibleAccessKey(id)) }

// Error is an error's text.
func Error(err error) slog.Attr {
	if err == nil {
		return slog.String(KeyError, "")
	}
	return slog.String(KeyError, err.Error())
}

// Vault is a vault's name in the configuration.
func Vault(name string) slog.Attr { return slog.String(KeyVault, name) }

// Generation is the number of a vault file.
func Generation(number uint64) slog.Attr { return slog.Uint64(KeyGeneration, number) }

// Count is how many of what the message speaks of.
func Count(number int64) slog.Attr { return slog.Int64(KeyCount, number) }

// Bytes is a size.
func Bytes(number int64) slog.Attr { return slog.Int64(KeyBytes, number) }

// Address is a network address of this gateway.
func Address(address string) slog.Attr { return slog.String(KeyAddress, address) }

// Path is the path of a file on this machine, never of an object.
func Path(path string) slog.Attr { return slog.String(KeyPath, path) }

// Reason is a fixed text that says why.
func Reason(text string) slog.Attr { return slog.String(KeyReason, text) }

// Object is an object's key. It belongs only where somebody must look at that object: an integrity alarm, say, never every request.
func Object(key string) slog.Attr { return slog.String(KeyObject, key) }

// maxAccessKey is the length of the longest access key id that can be configured.
const maxAccessKey = 128

func plausibleAccessKey(id string) string {
	if len(id) > maxAccessKey {
		return "(invalid)"
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' {
			return "(invalid)"
		}
	}
	return id
}

func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE":
		return method
	}
	return "OTHER"
}

func plausibleBucket(name string) string {
	if name == "" {
		return ""
	}
	if len(name) < 3 || len(name) > 63 {
		return "(invalid)"
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return "(invalid)"
		}
	}
	return name
}
