//go:build pin

// Package pin exists so that `go mod tidy` keeps what minio-go's functional_tests.go imports. That file itself is compiled straight
// from the module cache (build tag mint) and is never copied here.
package pin

import (
	_ "github.com/dustin/go-humanize"
	_ "github.com/google/uuid"
	_ "github.com/minio/minio-go/v7"
)
