// Package local keeps objects as plain files in one folder of a file system.
//
// It promises what package driver asks for, in the terms of a local file system: a write goes to a fresh temporary file, is synced,
// renamed over the object and the directory synced before it is acknowledged, so that a crash, a kill or a full disk leaves the old
// object or the new one, whole. No symbolic link is ever followed, nothing outside the folder is ever touched, and what has a name that no
// key has, or is no regular file, is neither listed nor changed. A file of another program that has the name of a key is an object to this
// package. Nothing beside the files themselves is kept: there is no index to lose.
//
// After a sync of a directory failed it serves reads and refuses changes until the file system is mounted anew: see doubt.go.
//
// It does not promise durability on file systems that have none (Folder.Probe says what was found), nor anything when a second
// program changes objects while the gateway runs beyond what one listing or one read shows.
//
// On disk. ".sallyport/local.json" holds the layout; without it the layout is verbatim. What is below ".sallyport/" has the path its
// key says, in both layouts; the driver's own files there (lock, local.json, doubt, tmp/, uploads/) are no objects. See names.go for the rest.
//
// Where to begin: write.go makes a durable temporary, put.go gives it its name, directories.go sees to the directories above it. uploads.go and
// complete.go are the multipart side, publishing.go what keeps an upload from being completed twice. health.go and doubt.go are about failed
// syncs. list.go walks directories and listcache.go remembers their names. All of it speaks to the file system through filesystem.go, which
// rootfs.go implements and the tests replace.
package local
