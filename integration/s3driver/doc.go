// Package s3driver holds tests of the driver in providers/s3 against real servers. Unlike the rest of integration it imports the driver it tests: the
// conformance suite speaks to drivers, and the servers are started here.
package s3driver
