module rover.test/swctl

go 1.24

require (
	github.com/BurntSushi/toml v0.3.1 // indirect
	github.com/apache/skywalking-cli v0.9.0 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.0-20190314233015-f79a8a8ca69d // indirect
	github.com/konsorten/go-windows-terminal-sequences v1.0.1 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/machinebox/graphql v0.2.2 // indirect
	github.com/matryer/is v1.4.1 // indirect
	github.com/mattn/go-runewidth v0.0.4 // indirect
	github.com/mum4k/termdash v0.10.0 // indirect
	github.com/nsf/termbox-go v0.0.0-20190817171036-93860e161317 // indirect
	github.com/olekukonko/tablewriter v0.0.2 // indirect
	github.com/pkg/errors v0.8.1 // indirect
	github.com/russross/blackfriday/v2 v2.0.1 // indirect
	github.com/shurcooL/sanitized_anchor_name v1.0.0 // indirect
	github.com/sirupsen/logrus v1.4.2 // indirect
	github.com/urfave/cli v1.22.1 // indirect
	golang.org/x/sys v0.0.0-20190422165155-953cdadca894 // indirect
	gopkg.in/yaml.v2 v2.2.2 // indirect
)

tool github.com/apache/skywalking-cli/swctl
