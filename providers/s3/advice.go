package s3

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const renewal = "temporary credentials have ended, or access key, secret key and session token are not of the same set: renew all three; files are read again at once"

// advice is what an operator does about a code.
func advice(code, region, permission string, temporary bool, clockOff time.Duration) string {
	switch code {
	case "NoSuchBucket":
		return "the bucket is not there: make it, or correct bucket, endpoint or path_style"
	case "AccessDenied", "AllAccessDisabled":
		if permission == rulesPermission {
			return "the credentials lack " + permission
		}
		return "the credentials lack " + cmp.Or(permission, "a permission") + ": reading, writing, deleting and listing below the prefix and multipart uploads are all needed"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		if temporary { // MinIO knows their access key no longer when they have ended
			return renewal
		}
		return "check the credentials and that they belong to this endpoint"
	case "ExpiredToken", "TokenRefreshRequired":
		return "the temporary credentials have ended: renew them; files are read again at once"
	case "InvalidToken", "InvalidTokenId":
		return renewal
	case "RequestTimeTooSkewed", "RequestExpired":
		if clockOff != 0 {
			return fmt.Sprintf("the clock of this machine is off by %s: set it", clockOff.Round(time.Second))
		}
		return "the clock of this machine is wrong: set it"
	case "AuthorizationHeaderMalformed", "InvalidRegion":
		if region != "" {
			return fmt.Sprintf("the bucket is in another region: set region: %s", region)
		}
		return "the region is wrong: set the one that the bucket is in"
	case "XMinioStorageFull":
		return "the service's disks are full"
	case "InvalidObjectState":
		return "the object is archived: a lifecycle rule moved it, which must not happen below the prefix"
	}
	return ""
}

// rulesPermission is the one that the gateway can do without.
const rulesPermission = "s3:GetLifecycleConfiguration"

// permissionOf is the name of what a request needs to be allowed.
func permissionOf(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case query.Has("versions"):
		return "s3:ListBucketVersions"
	case query.Has("lifecycle"):
		return rulesPermission
	case query.Has("list-type"):
		return "s3:ListBucket"
	case query.Has("uploadId") && r.Method == http.MethodGet:
		return "s3:ListMultipartUploadParts"
	case query.Has("uploadId") && r.Method == http.MethodDelete:
		return "s3:AbortMultipartUpload"
	case query.Has("versionId") && r.Method == http.MethodDelete:
		return "s3:DeleteObjectVersion"
	case r.Method == http.MethodDelete:
		return "s3:DeleteObject"
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return "s3:GetObject (or s3:ListBucket, if the object is absent)"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		return "s3:PutObject or s3:GetObject"
	}
	return "s3:PutObject"
}

// connectionHint is what an operator does about a connection that could not be made. "" = nothing is known.
func (b *Bucket) connectionHint(cause error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](cause); ok {
		const distrust = "the service's certificate is not trusted"
		if unknown, ok := errors.AsType[x509.UnknownAuthorityError](cause); ok && unknown.Cert != nil {
			return distrust + ": set ca_file to the certificate of who issued it"
		}
		if _, ok := errors.AsType[x509.HostnameError](cause); ok {
			return distrust + ": write the endpoint with a name that the certificate is for, or have one issued for this name"
		}
		return distrust
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](cause); ok || strings.Contains(cause.Error(), "server gave HTTP response to HTTPS client") {
		return "the service does not speak TLS on this port, write http:// or use another port"
	}
	if lookup, ok := errors.AsType[*net.DNSError](cause); ok {
		hint := "the endpoint's name cannot be looked up now"
		if lookup.IsNotFound {
			hint = "there is no host of the endpoint's name: correct endpoint"
		}
		if !b.settings.pathStyle {
			hint += fmt.Sprintf("; the bucket is part of the name that is looked up, path_style: true asks for %q alone", b.settings.endpoint.Hostname())
		}
		return hint
	}
	if errors.Is(cause, syscall.ECONNREFUSED) {
		return "nothing listens there: start the service, or correct endpoint"
	}
	if e, ok := errors.AsType[*net.OpError](cause); ok && e.Op == "dial" {
		return "the service cannot be reached: look at the network, its firewalls, and endpoint"
	}
	return ""
}
