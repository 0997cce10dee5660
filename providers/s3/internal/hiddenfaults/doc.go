// Package hiddenfaults holds the seeded runs of the whole way of an object: the gateway's operations, Store with its retries, splits and resumed reads, the
// S3 driver and its connections, over a service in memory that fails on purpose. It has tests only, and stands here because the service does.
//
// It promises nothing to anybody. What the runs prove, and how to repeat one, is said in runs_test.go.
package hiddenfaults
