// Package integration holds the tests of the whole: Sallyport's own binary and real S3 clients, each as a process of its own.
//
// It promises that what it tests is what a user runs: the product is built as it is released (or with the race detector), spoken to over its
// ports, its command line and its files only, and judged by foreign programs. It imports nothing of the product. A program that cannot be
// had is a failure and not a skip; only -short leaves these tests out.
//
// It does not promise to find what needs many hosts, days or a power cut: those are simulated lower down, in providers and gateway/objects.
package integration
