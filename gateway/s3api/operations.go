package s3api

import (
	"context"
	"net/http"
	"slices"

	"sallyport/gateway/auth"
)

// bodyKind says what an operation does with the request's body.
type bodyKind int

const (
	noBody   bodyKind = iota // verified and thrown away, if a client sends one
	dataBody                 // an object's or part's bytes
	xmlBody                  // a document
)

// operation is one row of the operation table.
type operation struct {
	name      string // S3's name
	method    string
	scope     scope
	selectors []string    // the sub-resources in the query that select it: exactly these, no other
	copies    bool        // selected by x-amz-copy-source, which other rows of the same address then are not
	action    auth.Action // what the principal must be allowed
	headers   headerGroup // the x-amz-* headers it honours; any other is refused
	body      bodyKind
	versioned bool // takes versionId
	// handle does it; nil is a truthful "not implemented". It is called for authorised requests only.
	handle func(*call, context.Context) error
}

// operations is the table. The order says nothing: no two rows match one request, which a test checks.
func operations() []operation {
	return slices.Concat(bucketOperations(), objectOperations(), uploadOperations(), unsetOperations(), refusedOperations())
}

func bucketOperations() []operation {
	return []operation{
		{name: "ListBuckets", method: http.MethodGet, scope: serviceScope, handle: (*call).listBuckets},
		{name: "CreateBucket", method: http.MethodPut, scope: bucketScope, action: auth.CreateBucket, headers: bucketHeaders, body: xmlBody, handle: (*call).createBucket},
		{name: "HeadBucket", method: http.MethodHead, scope: bucketScope, action: auth.SeeBucket, handle: (*call).headBucket},
		{name: "DeleteBucket", method: http.MethodDelete, scope: bucketScope, action: auth.Delete, handle: (*call).deleteBucket},
		{name: "GetBucketLocation", method: http.MethodGet, scope: bucketScope, selectors: []string{"location"}, action: auth.SeeBucket, handle: (*call).getBucketLocation},
		{name: "GetBucketVersioning", method: http.MethodGet, scope: bucketScope, selectors: []string{"versioning"}, action: auth.SeeBucket, handle: (*call).getBucketVersioning},
		{name: "GetBucketAcl", method: http.MethodGet, scope: bucketScope, selectors: []string{"acl"}, action: auth.SeeBucket, handle: (*call).getBucketACL},
		{name: "ListObjects", method: http.MethodGet, scope: bucketScope, action: auth.List, headers: listHeaders, handle: (*call).listObjects},
		{name: "ListObjectsV2", method: http.MethodGet, scope: bucketScope, selectors: []string{"list-type"}, action: auth.List, headers: listHeaders, handle: (*call).listObjectsV2},
		{name: "ListObjectVersions", method: http.MethodGet, scope: bucketScope, selectors: []string{"versions"}, action: auth.List, headers: listHeaders, handle: (*call).listObjectVersions},
		{name: "ListMultipartUploads", method: http.MethodGet, scope: bucketScope, selectors: []string{"uploads"}, action: auth.List, handle: (*call).listMultipartUploads},
		{name: "DeleteObjects", method: http.MethodPost, scope: bucketScope, selectors: []string{"delete"}, action: perKey, headers: checksumHeaders, body: xmlBody, handle: (*call).deleteObjects},
	}
}

func objectOperations() []operation {
	return []operation{
		{name: "PutObject", method: http.MethodPut, scope: objectScope, action: auth.Write, headers: contentGroup | customerHeaders | checksumHeaders | writeConditionHeaders, body: dataBody, handle: (*call).putObject},
		{name: "CopyObject", method: http.MethodPut, scope: objectScope, copies: true, action: auth.Write, headers: contentGroup | customerHeaders | sourceHeaders | directiveHeaders | checksumChoiceHeaders | writeConditionHeaders, handle: (*call).copyObject},
		{name: "GetObject", method: http.MethodGet, scope: objectScope, action: auth.Read, headers: customerHeaders | checksumModeHeaders, versioned: true, handle: (*call).getObject},
		{name: "HeadObject", method: http.MethodHead, scope: objectScope, action: auth.Read, headers: customerHeaders | checksumModeHeaders, versioned: true, handle: (*call).headObject},
		{name: "DeleteObject", method: http.MethodDelete, scope: objectScope, action: auth.Delete, headers: writeConditionHeaders, versioned: true, handle: (*call).deleteObject},
		{name: "GetObjectAttributes", method: http.MethodGet, scope: objectScope, selectors: []string{"attributes"}, action: auth.Read, headers: customerHeaders | attributeHeaders, versioned: true, handle: (*call).getObjectAttributes},
		{name: "GetObjectAcl", method: http.MethodGet, scope: objectScope, selectors: []string{"acl"}, action: auth.Read, headers: customerHeaders, versioned: true, handle: (*call).getObjectACL},
		{name: "GetObjectTagging", method: http.MethodGet, scope: objectScope, selectors: []string{"tagging"}, action: auth.Read, headers: customerHeaders, versioned: true, handle: (*call).getObjectTagging},
	}
}

func uploadOperations() []operation {
	return []operation{
		{name: "CreateMultipartUpload", method: http.MethodPost, scope: objectScope, selectors: []string{"uploads"}, action: auth.Write, headers: contentGroup | customerHeaders | checksumChoiceHeaders, handle: (*call).createMultipartUpload},
		{name: "UploadPart", method: http.MethodPut, scope: objectScope, selectors: []string{"uploadId", "partNumber"}, action: auth.Write, headers: plainWriteHeaders | customerHeaders | checksumHeaders, body: dataBody, handle: (*call).uploadPart},
		{name: "UploadPartCopy", method: http.MethodPut, scope: objectScope, selectors: []string{"uploadId", "partNumber"}, copies: true, action: auth.Write, headers: plainWriteHeaders | customerHeaders | sourceHeaders | sourceRangeHeaders, handle: (*call).uploadPartCopy},
		{name: "CompleteMultipartUpload", method: http.MethodPost, scope: objectScope, selectors: []string{"uploadId"}, action: auth.Write, headers: customerHeaders | checksumHeaders | objectSizeHeaders | writeConditionHeaders, body: xmlBody, handle: (*call).completeMultipartUpload},
		{name: "AbortMultipartUpload", method: http.MethodDelete, scope: objectScope, selectors: []string{"uploadId"}, action: auth.Write, handle: (*call).abortMultipartUpload},
		{name: "ListParts", method: http.MethodGet, scope: objectScope, selectors: []string{"uploadId"}, action: auth.Write, headers: customerHeaders, handle: (*call).listParts},
	}
}

// unsetOperations are reads of what no bucket or object here has. They give S3's own answer for one that has it not, after the bucket or object was
// found to be there.
func unsetOperations() []operation {
	bucketRead := func(name, selector string, handle func(*call, context.Context) error) operation {
		return operation{name: name, method: http.MethodGet, scope: bucketScope, selectors: []string{selector}, action: auth.SeeBucket, handle: handle}
	}
	objectRead := func(name, selector string, handle func(*call, context.Context) error) operation {
		return operation{name: name, method: http.MethodGet, scope: objectScope, selectors: []string{selector}, action: auth.Read, versioned: true, handle: handle}
	}
	return []operation{
		bucketRead("GetBucketAccelerateConfiguration", "accelerate", emptyBucketAnswer("AccelerateConfiguration")),
		bucketRead("GetBucketCors", "cors", unsetInBucket("NoSuchCORSConfiguration", "The CORS configuration does not exist")),
		bucketRead("GetBucketEncryption", "encryption", unsetInBucket("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found")),
		bucketRead("GetBucketLifecycleConfiguration", "lifecycle", unsetInBucket("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")),
		bucketRead("GetBucketLogging", "logging", emptyBucketAnswer("BucketLoggingStatus")),
		bucketRead("GetBucketNotificationConfiguration", "notification", emptyBucketAnswer("NotificationConfiguration")),
		bucketRead("GetBucketOwnershipControls", "ownershipControls", unsetInBucket("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")),
		bucketRead("GetBucketPolicy", "policy", unsetInBucket("NoSuchBucketPolicy", "The bucket policy does not exist")),
		bucketRead("GetBucketPolicyStatus", "policyStatus", unsetInBucket("NoSuchBucketPolicy", "The bucket policy does not exist")),
		bucketRead("GetBucketReplication", "replication", unsetInBucket("ReplicationConfigurationNotFoundError", "The replication configuration was not found")),
		bucketRead("GetBucketRequestPayment", "requestPayment", (*call).getBucketRequestPayment),
		bucketRead("GetBucketTagging", "tagging", unsetInBucket("NoSuchTagSet", "The TagSet does not exist")),
		bucketRead("GetBucketWebsite", "website", unsetInBucket("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")),
		bucketRead("GetObjectLockConfiguration", "object-lock", unsetInBucket("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")),
		bucketRead("GetPublicAccessBlock", "publicAccessBlock", unsetInBucket("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")),
		objectRead("GetObjectLegalHold", "legal-hold", (*call).noObjectLock),
		objectRead("GetObjectRetention", "retention", (*call).noObjectLock),
	}
}

// refusedOperations are what S3 has and this gateway has not. They have a row each so that a request for one can never be taken for another.
func refusedOperations() []operation {
	var rows []operation
	add := func(method string, scope scope, action auth.Action, named map[string]string) {
		for name, selector := range named {
			row := operation{name: name, method: method, scope: scope, action: action, headers: anyHeaders, versioned: true}
			if selector != "" {
				row.selectors = []string{selector}
			}
			rows = append(rows, row)
		}
	}
	add(http.MethodPut, bucketScope, auth.Write, map[string]string{
		"PutBucketAccelerateConfiguration": "accelerate", "PutBucketAcl": "acl", "PutBucketAnalyticsConfiguration": "analytics", "PutBucketCors": "cors",
		"PutBucketEncryption": "encryption", "PutBucketIntelligentTieringConfiguration": "intelligent-tiering",
		"PutBucketInventoryConfiguration": "inventory", "PutBucketLifecycleConfiguration": "lifecycle", "PutBucketLogging": "logging",
		"PutBucketMetricsConfiguration": "metrics", "PutBucketNotificationConfiguration": "notification",
		"PutBucketOwnershipControls": "ownershipControls", "PutBucketPolicy": "policy", "PutBucketReplication": "replication",
		"PutBucketRequestPayment": "requestPayment", "PutBucketTagging": "tagging", "PutBucketVersioning": "versioning",
		"PutBucketWebsite": "website", "PutObjectLockConfiguration": "object-lock", "PutPublicAccessBlock": "publicAccessBlock",
		"PutBucketAbac": "abac", "UpdateBucketMetadataInventoryTableConfiguration": "metadataInventoryTable",
		"UpdateBucketMetadataJournalTableConfiguration": "metadataJournalTable",
	})
	add(http.MethodPost, bucketScope, auth.Write, map[string]string{
		"CreateBucketMetadataConfiguration": "metadataConfiguration", "CreateBucketMetadataTableConfiguration": "metadataTable", "PostObject": "",
	})
	add(http.MethodDelete, bucketScope, auth.Write, map[string]string{
		"DeleteBucketAnalyticsConfiguration": "analytics", "DeleteBucketCors": "cors", "DeleteBucketEncryption": "encryption",
		"DeleteBucketIntelligentTieringConfiguration": "intelligent-tiering", "DeleteBucketInventoryConfiguration": "inventory",
		"DeleteBucketLifecycle": "lifecycle", "DeleteBucketMetadataConfiguration": "metadataConfiguration",
		"DeleteBucketMetadataTableConfiguration": "metadataTable", "DeleteBucketMetricsConfiguration": "metrics",
		"DeleteBucketOwnershipControls": "ownershipControls", "DeleteBucketPolicy": "policy", "DeleteBucketReplication": "replication",
		"DeleteBucketTagging": "tagging", "DeleteBucketWebsite": "website", "DeletePublicAccessBlock": "publicAccessBlock",
	})
	add(http.MethodGet, bucketScope, auth.SeeBucket, map[string]string{
		"CreateSession": "session", "GetBucketAbac": "abac", "GetBucketMetadataConfiguration": "metadataConfiguration",
		"GetBucketMetadataTableConfiguration": "metadataTable",
		// One selector serves the read of one configuration and the list of all.
		"GetBucketAnalyticsConfiguration, ListBucketAnalyticsConfigurations":                   "analytics",
		"GetBucketIntelligentTieringConfiguration, ListBucketIntelligentTieringConfigurations": "intelligent-tiering",
		"GetBucketInventoryConfiguration, ListBucketInventoryConfigurations":                   "inventory",
		"GetBucketMetricsConfiguration, ListBucketMetricsConfigurations":                       "metrics",
	})
	add(http.MethodPut, objectScope, auth.Write, map[string]string{
		"PutObjectAnnotation": "annotation",
		"PutObjectAcl":        "acl", "PutObjectLegalHold": "legal-hold", "PutObjectRetention": "retention", "PutObjectTagging": "tagging",
		"RenameObject": "renameObject", "UpdateObjectEncryption": "encryption",
	})
	add(http.MethodDelete, objectScope, auth.Write, map[string]string{"DeleteObjectAnnotation": "annotation", "DeleteObjectTagging": "tagging"})
	add(http.MethodGet, objectScope, auth.Read, map[string]string{
		"GetObjectAnnotation, ListObjectAnnotations": "annotation", "GetObjectTorrent": "torrent",
	})
	add(http.MethodPost, objectScope, auth.Write, map[string]string{"RestoreObject": "restore"})
	rows = append(rows,
		operation{name: "SelectObjectContent", method: http.MethodPost, scope: objectScope, selectors: []string{"select", "select-type"}, action: auth.Read, headers: anyHeaders},
		operation{name: "WriteGetObjectResponse", method: http.MethodPost, scope: serviceScope, headers: anyHeaders},
	)
	slices.SortFunc(rows, func(a, b operation) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return rows
}

// perKey marks the one operation whose handler asks for each key by itself, because the keys are in its body.
const perKey = auth.Action(-1)

// subresources are the query names that select an operation, or would in S3.
func subresources(rows []operation) map[string]bool {
	names := map[string]bool{}
	for i := range rows {
		for _, name := range rows[i].selectors {
			names[name] = true
		}
	}
	return names
}

// router finds rows.
type router struct {
	rows         []operation
	subresources map[string]bool
}

func newRouter() *router {
	rows := operations()
	return &router{rows: rows, subresources: subresources(rows)}
}

// find returns the one row for the request.
func (t *router) find(method string, scope scope, q parameters, copies bool) (*operation, error) {
	var selectors []string
	for name := range q {
		if !t.subresources[name] {
			continue
		}
		// A part of an object is asked for by GetObject and HeadObject with the parameter that also selects UploadPart.
		if name == "partNumber" && (method == http.MethodGet || method == http.MethodHead) {
			continue
		}
		selectors = append(selectors, name)
	}
	known := false
	for i := range t.rows {
		row := &t.rows[i]
		if row.scope != scope || !sameNames(row.selectors, selectors) {
			continue
		}
		known = true
		if row.method == method && row.copies == (copies && method == http.MethodPut && t.hasCopy(row)) {
			return row, nil
		}
	}
	if !known && len(selectors) > 0 {
		return nil, refuse("NotImplemented", "A parameter you provided implies functionality that is not implemented.")
	}
	return nil, refuse("MethodNotAllowed", "The specified method is not allowed against this resource.").with("Method", method)
}

// hasCopy reports whether a copying row stands at the same address as row.
func (t *router) hasCopy(row *operation) bool {
	for i := range t.rows {
		other := &t.rows[i]
		if other.copies && other.method == row.method && other.scope == row.scope && sameNames(other.selectors, row.selectors) {
			return true
		}
	}
	return false
}

func sameNames(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, name := range a {
		if !slices.Contains(b, name) {
			return false
		}
	}
	return true
}
