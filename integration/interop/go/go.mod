module mockvideo/interop

go 1.22

require (
	go.nanomsg.org/mangos/v3 v3.4.2
	google.golang.org/protobuf v1.34.2
)
