package server

// DomainStore keeps the host names that people gave their apps.
type DomainStore interface{}
