package s3api

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// masked replaces what differs from run to run.
func masked(body []byte) string {
	s := string(body)
	for pattern, replacement := range map[string]string{
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z`:                           "TIME",
		`<RequestId>[0-9A-F]{16}</RequestId>`:                            "<RequestId>ID</RequestId>",
		`<HostId>[^<]+</HostId>`:                                         "<HostId>HOST</HostId>",
		`<UploadId>[^<]+</UploadId>`:                                     "<UploadId>UPLOAD</UploadId>",
		`<NextUploadIdMarker>[^<]+<`:                                     "<NextUploadIdMarker>UPLOAD<",
		`<NextContinuationToken>[^<]+<`:                                  "<NextContinuationToken>TOKEN<",
		`<ID>` + ownerID + `</ID><DisplayName>sallyport</DisplayName>`:   "OWNER",
		`<ID>` + ownerID + `</ID><DisplayName>AKIA[A-Z]+</DisplayName>`:  "INITIATOR",
		`http://127\.0\.0\.1:\d+/`:                                       "http://HOST/",
		`<Checksum(CRC64NVME|CRC32)>[^<]+</Checksum(CRC64NVME|CRC32)>\n`: "",
	} {
		s = regexp.MustCompile(pattern).ReplaceAllString(s, replacement)
	}
	s = strings.TrimPrefix(s, `<?xml version="1.0" encoding="UTF-8"?>`+"\n")
	return strings.ReplaceAll(s, ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`, " NS")
}

func (s *site) golden(a *answer, want string) {
	s.t.Helper()
	if got := masked(a.body); got != want {
		s.t.Errorf("have\n%s\nwant\n%s", got, want)
	}
	if !strings.HasPrefix(string(a.body), `<?xml version="1.0" encoding="UTF-8"?>`+"\n") || a.header.Get("Content-Type") != "application/xml" {
		s.t.Errorf("no XML declaration or content type: %s", a)
	}
	d := xml.NewDecoder(strings.NewReader(string(a.body)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			s.t.Errorf("not well-formed: %v\n%s", err, a)
			return
		}
	}
}

func TestGoldenBuckets(t *testing.T) {
	s := newSite(t, siteOptions{})
	b := "/" + testBucket
	s.golden(s.ask(http.MethodGet, "/", nil),
		`<ListAllMyBucketsResult NS><Owner>OWNER</Owner><Buckets><Bucket><Name>bucket</Name><CreationDate>TIME</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`)
	s.want(s.ask(http.MethodPut, "/another", nil), 200, "")
	first := s.ask(http.MethodGet, "/?max-buckets=1", nil)
	s.golden(first, `<ListAllMyBucketsResult NS><Owner>OWNER</Owner><Buckets><Bucket><Name>another</Name><CreationDate>TIME</CreationDate><BucketRegion>us-east-1</BucketRegion></Bucket></Buckets><ContinuationToken>YW5vdGhlcg</ContinuationToken></ListAllMyBucketsResult>`)
	s.golden(s.ask(http.MethodGet, "/?continuation-token=YW5vdGhlcg&prefix=b", nil),
		`<ListAllMyBucketsResult NS><Owner>OWNER</Owner><Buckets><Bucket><Name>bucket</Name><CreationDate>TIME</CreationDate></Bucket></Buckets><Prefix>b</Prefix></ListAllMyBucketsResult>`)
	s.golden(s.ask(http.MethodGet, b+"?location", nil), `<LocationConstraint NS></LocationConstraint>`)
	s.golden(s.ask(http.MethodGet, b+"?versioning", nil), `<VersioningConfiguration NS></VersioningConfiguration>`)
	acl := `<AccessControlPolicy NS><Owner>OWNER</Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">OWNER</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`
	s.golden(s.ask(http.MethodGet, b+"?acl", nil), acl)
	s.put("k", nil)
	s.golden(s.ask(http.MethodGet, b+"/k?acl", nil), acl)
	s.golden(s.ask(http.MethodGet, b+"/k?tagging", nil), `<Tagging NS><TagSet></TagSet></Tagging>`)
	s.golden(s.ask(http.MethodGet, b+"?requestPayment", nil), `<RequestPaymentConfiguration NS><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`)
	s.golden(s.ask(http.MethodGet, b+"?policy", nil),
		`<Error><Code>NoSuchBucketPolicy</Code><Message>The bucket policy does not exist</Message><BucketName>bucket</BucketName><Resource>/bucket</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>`)
	s.golden(s.ask(http.MethodGet, b+"/nothing", nil),
		`<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>nothing</Key><Resource>/bucket/nothing</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>`)
	s.golden(s.ask(http.MethodGet, "/no-bucket/x", nil),
		`<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>no-bucket</BucketName><Resource>/no-bucket/x</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>`)
	s.want(s.ask(http.MethodDelete, b, nil), 409, "BucketNotEmpty")
	europe := newSite(t, siteOptions{region: "eu-central-1"})
	europe.golden(europe.ask(http.MethodGet, b+"?location", nil), `<LocationConstraint NS>eu-central-1</LocationConstraint>`)
	europe.want(europe.ask(http.MethodPut, b, nil), 409, "BucketAlreadyOwnedByYou")
	s.want(s.ask(http.MethodPut, b, nil), 200, "")
	if a := s.ask(http.MethodHead, b, nil); a.status != 200 || a.header.Get("X-Amz-Bucket-Region") != testRegion {
		t.Errorf("head bucket: %s", a)
	}
}

func TestGoldenLists(t *testing.T) {
	s := newSite(t, siteOptions{})
	b := "/" + testBucket
	for _, key := range []string{"a%20b", "dir/1", "dir/2", "z&"} {
		s.put(key, []byte("x"))
	}
	entry := func(key string, owner bool) string {
		o := ""
		if owner {
			o = "<Owner>OWNER</Owner>"
		}
		return "<Contents><Key>" + key + `</Key><LastModified>TIME</LastModified><ETag>&#34;9dd4e461268c8034f5c8564e155c67a6&#34;</ETag><Size>1</Size>` + o + `<StorageClass>STANDARD</StorageClass></Contents>`
	}
	s.golden(s.ask(http.MethodGet, b+"/?delimiter=/&max-keys=2", nil),
		`<ListBucketResult NS><Name>bucket</Name><Prefix></Prefix><Marker></Marker><NextMarker>dir/</NextMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>`+
			entry("a b", true)+`<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes></ListBucketResult>`)
	s.golden(s.ask(http.MethodGet, b+"?marker=dir/&delimiter=/&encoding-type=url", nil),
		`<ListBucketResult NS><Name>bucket</Name><Prefix></Prefix><Marker>dir/</Marker><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>`+
			entry("z%26", true)+`</ListBucketResult>`)
	s.golden(s.ask(http.MethodGet, b+"?list-type=2&prefix=dir/&fetch-owner=true&start-after=dir/1", nil),
		`<ListBucketResult NS><Name>bucket</Name><Prefix>dir/</Prefix><StartAfter>dir/1</StartAfter><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>`+
			entry("dir/2", true)+`</ListBucketResult>`)
	first := s.ask(http.MethodGet, b+"?list-type=2&max-keys=1", nil)
	s.golden(first, `<ListBucketResult NS><Name>bucket</Name><Prefix></Prefix><NextContinuationToken>TOKEN</NextContinuationToken><KeyCount>1</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated>`+
		entry("a b", false)+`</ListBucketResult>`)
	token := between(string(first.body), "<NextContinuationToken>", "<")
	second := s.ask(http.MethodGet, b+"?list-type=2&max-keys=1&continuation-token="+awsEscape(token, false), nil)
	if !strings.Contains(string(second.body), "<Key>dir/1</Key>") || !strings.Contains(string(second.body), "<ContinuationToken>"+token+"<") {
		t.Errorf("second page: %s", second)
	}
	s.want(s.ask(http.MethodGet, b+"?list-type=2&prefix=other&continuation-token="+awsEscape(token, false), nil), 400, "InvalidArgument")
	s.golden(s.ask(http.MethodGet, b+"?list-type=2&max-keys=0", nil),
		`<ListBucketResult NS><Name>bucket</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>0</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`)
	s.golden(s.ask(http.MethodGet, b+"?versions&prefix=z&max-keys=1", nil),
		`<ListVersionsResult NS><Name>bucket</Name><Prefix>z</Prefix><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated><Version><Key>z&amp;</Key><VersionId>null</VersionId><IsLatest>true</IsLatest><LastModified>TIME</LastModified><ETag>&#34;9dd4e461268c8034f5c8564e155c67a6&#34;</ETag><Size>1</Size><Owner>OWNER</Owner><StorageClass>STANDARD</StorageClass></Version></ListVersionsResult>`)
	page := s.ask(http.MethodGet, b+"?versions&max-keys=1", nil)
	if !strings.Contains(string(page.body), "<NextKeyMarker>a b</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>") {
		t.Errorf("versions: %s", page)
	}
	if a := s.ask(http.MethodGet, b+"?versions&key-marker=dir/2&version-id-marker=null", nil); strings.Contains(string(a.body), "dir/1") || !strings.Contains(string(a.body), "<Key>z&amp;</Key>") {
		t.Errorf("versions after a marker: %s", a)
	}
}

func TestGoldenUploads(t *testing.T) {
	s := newSite(t, siteOptions{})
	b := "/" + testBucket
	created := s.ask(http.MethodPost, b+"/m?uploads", nil, "x-amz-checksum-algorithm: CRC32", "x-amz-checksum-type: FULL_OBJECT")
	s.golden(created, `<InitiateMultipartUploadResult NS><Bucket>bucket</Bucket><Key>m</Key><UploadId>UPLOAD</UploadId></InitiateMultipartUploadResult>`)
	if created.header.Get("X-Amz-Checksum-Algorithm") != "CRC32" || created.header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("create: %v", created.header)
	}
	id := between(string(created.body), "<UploadId>", "<")
	at := b + "/m?uploadId=" + id
	var sums []string
	for n, body := range [][]byte{pattern(5 << 20), []byte("end")} {
		part := s.ask(http.MethodPut, fmt.Sprintf("%s&partNumber=%d", at, n+1), body, "x-amz-checksum-crc32: "+crc32Base64(body))
		s.want(part, 200, "")
		sums = append(sums, part.header.Get("X-Amz-Checksum-Crc32"))
	}
	etag1, etag2 := md5Hex(pattern(5<<20)), md5Hex([]byte("end"))
	part := func(n, size int, etag string) string {
		return fmt.Sprintf(`<Part><PartNumber>%d</PartNumber><LastModified>TIME</LastModified><ETag>&#34;%s&#34;</ETag><Size>%d</Size><ChecksumCRC32>%s</ChecksumCRC32></Part>`, n, etag, size, sums[n-1])
	}
	head := `<ListPartsResult NS><Bucket>bucket</Bucket><Key>m</Key><UploadId>UPLOAD</UploadId><Initiator>INITIATOR</Initiator><Owner>OWNER</Owner><StorageClass>STANDARD</StorageClass>`
	tail := `<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType></ListPartsResult>`
	s.golden(s.ask(http.MethodGet, at, nil), head+`<PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>`+
		part(1, 5<<20, etag1)+part(2, 3, etag2)+tail)
	s.golden(s.ask(http.MethodGet, at+"&max-parts=1", nil), head+`<PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>`+part(1, 5<<20, etag1)+tail)
	s.golden(s.ask(http.MethodGet, at+"&part-number-marker=1", nil), head+`<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>`+part(2, 3, etag2)+tail)
	s.golden(s.ask(http.MethodGet, b+"?uploads", nil),
		`<ListMultipartUploadsResult NS><Bucket>bucket</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><Prefix></Prefix><MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated><Upload><Key>m</Key><UploadId>UPLOAD</UploadId><Initiator>INITIATOR</Initiator><Owner>OWNER</Owner><StorageClass>STANDARD</StorageClass><Initiated>TIME</Initiated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType></Upload></ListMultipartUploadsResult>`)
	complete := fmt.Sprintf(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Part><PartNumber>1</PartNumber><ETag>"%s"</ETag></Part><Part><ETag>%s</ETag><PartNumber>2</PartNumber><ChecksumCRC32>%s</ChecksumCRC32></Part></CompleteMultipartUpload>`, etag1, etag2, sums[1])
	s.want(s.ask(http.MethodPost, at, []byte(complete), "x-amz-checksum-type: COMPOSITE"), 400, "InvalidRequest")
	s.want(s.ask(http.MethodPost, at, []byte(complete), "x-amz-checksum-crc32: AAAAAA=="), 400, "BadDigest")
	s.want(s.ask(http.MethodPost, at, []byte(complete), "x-amz-mp-object-size: 7"), 400, "InvalidRequest")
	s.want(s.ask(http.MethodPost, at, []byte(strings.ReplaceAll(complete, etag2, etag1))), 400, "InvalidPart")
	s.want(s.ask(http.MethodPost, at, []byte(strings.ReplaceAll(complete, sums[1], "AAAAAA=="))), 400, "InvalidPart")
	whole := append(pattern(5<<20), "end"...)
	etag := func(a *answer) string { return between(string(a.body), "<ETag>&#34;", "&#34;") }
	done := s.ask(http.MethodPost, at, []byte(complete), "x-amz-checksum-type: FULL_OBJECT", "x-amz-checksum-crc32: "+crc32Base64(whole), fmt.Sprintf("x-amz-mp-object-size: %d", len(whole)))
	s.golden(done, `<CompleteMultipartUploadResult NS><Location>http://HOST/bucket/m</Location><Bucket>bucket</Bucket><Key>m</Key><ETag>&#34;`+etag(done)+`&#34;</ETag><ChecksumCRC32>`+crc32Base64(whole)+
		`</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>`)
	again := s.ask(http.MethodPost, at, []byte(complete))
	if again.status != 200 || etag(again) != etag(done) || !strings.HasSuffix(etag(done), "-2") {
		t.Errorf("completing again: %s", again)
	}
	s.golden(s.ask(http.MethodGet, b+"/m?attributes", nil, "x-amz-object-attributes: ETag,Checksum,ObjectParts,StorageClass,ObjectSize", "x-amz-max-parts: 1"),
		`<GetObjectAttributesResponse NS><ETag>`+etag(done)+`</ETag><Checksum><ChecksumCRC32>`+crc32Base64(whole)+`</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></Checksum><ObjectParts><PartsCount>2</PartsCount><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber><Size>5242880</Size><ChecksumCRC32>`+sums[0]+`</ChecksumCRC32></Part></ObjectParts><StorageClass>STANDARD</StorageClass><ObjectSize>5242883</ObjectSize></GetObjectAttributesResponse>`)
	s.golden(s.ask(http.MethodPut, b+"/copy", nil, "x-amz-copy-source: bucket/m", "x-amz-checksum-algorithm: CRC32"),
		`<CopyObjectResult NS><LastModified>TIME</LastModified><ETag>&#34;`+md5Hex(whole)+`&#34;</ETag><ChecksumCRC32>`+crc32Base64(whole)+`</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></CopyObjectResult>`)
	id = s.createUpload("p")
	copied := s.ask(http.MethodPut, b+"/p?partNumber=7&uploadId="+id, nil, "x-amz-copy-source: bucket/m", "x-amz-copy-source-range: bytes=5242880-5242882")
	if got := masked(copied.body); !strings.HasPrefix(got, `<CopyPartResult NS><LastModified>TIME</LastModified><ETag>&#34;`+etag2+`&#34;</ETag>`) {
		t.Errorf("copied part: %s", copied)
	}
	s.want(s.ask(http.MethodDelete, b+"/p?uploadId="+id, nil), 204, "")
	s.want(s.ask(http.MethodDelete, b+"/p?uploadId="+id, nil), 404, "NoSuchUpload")
}

func TestGoldenDeletes(t *testing.T) {
	s := newSite(t, siteOptions{})
	send := func(document string, headers ...string) *answer {
		t.Helper()
		return s.ask(http.MethodPost, "/"+testBucket+"?delete", []byte(document), append(headers, "Content-Md5: "+base64MD5([]byte(document)))...)
	}
	s.put("a", []byte("x"))
	s.put("b", []byte("y"))
	s.golden(send(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>a&amp;b</Key><VersionId>null</VersionId></Object><Object><Key>b</Key><VersionId>v1</VersionId></Object></Delete>`),
		`<DeleteResult NS><Deleted><Key>a</Key></Deleted><Deleted><Key>a&amp;b</Key><VersionId>null</VersionId></Deleted><Error><Key>b</Key><VersionId>v1</VersionId><Code>InvalidArgument</Code><Message>Invalid version id specified</Message></Error></DeleteResult>`)
	s.golden(send(`<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>`), `<DeleteResult NS></DeleteResult>`)
	s.want(s.ask(http.MethodHead, "/"+testBucket+"/b", nil), 404, "")
	one := `<Object><Key>k</Key></Object>`
	for document, want := range map[string]string{
		"":                                   "MalformedXML",
		"<Delete></Delete>":                  "MalformedXML",
		"<Delete>" + one:                     "MalformedXML",
		"<Remove>" + one + "</Remove>":       "MalformedXML",
		"<Delete>text" + one + "</Delete>":   "MalformedXML",
		"<Delete>" + one + "<X/></Delete>":   "MalformedXML",
		"<Delete><Object></Object></Delete>": "MalformedXML",
		"<Delete><Quiet>maybe</Quiet>" + one + "</Delete>":                                "MalformedXML",
		"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>":                      "MalformedXML",
		"<Delete><Object><Key>a<b/></Key></Object></Delete>":                              "MalformedXML",
		"<Delete><Object><Key>a</Key><Size>1</Size></Object></Delete>":                    "NotImplemented",
		`<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>`:  "MalformedXML",
		"<Delete>" + strings.Repeat(one, 1001) + "</Delete>":                              "MalformedXML",
		strings.Repeat("<Delete>", 5000):                                                  "MalformedXML",
		"<Delete><Object><Key>" + strings.Repeat("k", 9<<20) + "</Key></Object></Delete>": "MaxMessageLengthExceeded",
		"<Delete>" + one + "</Delete><Delete/>":                                           "MalformedXML",
		"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Delete>" + one + "</Delete>":     "MalformedXML",
		"<?xml version=\"1.0\"?><?php evil?><Delete>" + one + "</Delete>":                 "MalformedXML",
	} {
		if a := send(document); a.status != statusOf(want) || a.code() != want {
			t.Errorf("%.80s: %s, want %s", document, a, want)
		}
	}
	split := "<Delete><Object><Key>" + strings.Repeat("k<!---->", 100) + strings.Repeat("<!---->", 20_000) + "</Key></Object></Delete>"
	if a := send(split); !strings.Contains(string(a.body), "<Deleted><Key>"+strings.Repeat("k", 100)+"</Key></Deleted>") {
		t.Errorf("a key in pieces: %.300s", a)
	}
	s.want(send("<Delete><Object><Key>k"+strings.Repeat("<!---->", 500_000)+"</Key></Object></Delete>"), 400, "MalformedXML")
	whole := "<Delete>" + strings.Repeat(one, 1000) + "</Delete>"
	if a := send(whole); strings.Count(string(a.body), "<Deleted>") != 1000 {
		t.Errorf("1000 keys: %.300s", a)
	}
	s.want(s.ask(http.MethodPost, "/"+testBucket+"?delete", []byte(whole)), 400, "InvalidRequest")
	s.want(s.ask(http.MethodPost, "/no-bucket?delete", []byte(whole), "Content-Md5: "+base64MD5([]byte(whole))), 404, "NoSuchBucket")
	s.want(s.ask(http.MethodPost, "/"+testBucket+"?delete", []byte(whole), "x-amz-checksum-crc32: "+crc32Base64([]byte(whole))), 200, "")
}
