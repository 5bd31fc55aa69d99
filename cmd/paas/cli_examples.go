package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// examples stand in the --help of the commands of a first day.
func examples() map[string]string {
	return map[string]string{
		"access:add":            "paas access:add joe@example.com -p view,deploy",
		"accounts:create":       "paas accounts:create ann@example.com --key ann.pub --socket /var/lib/paas/run/paas.sock",
		"apps:create":           "paas create\npaas create shop\npaas create shop-staging --remote staging",
		"apps:destroy":          "paas destroy -a shop --confirm shop",
		"apps:info":             "paas info -a shop\neval \"$(paas info -a shop --shell)\" && echo $web_url",
		"apps:rename":           "paas rename store -a shop",
		"authorizations:create": "paas authorizations:create -d \"CI of shop\" -s write\nPAAS_TOKEN=$(paas authorizations:create -S) paas apps",
		"auth:token":            "curl -H \"Authorization: Bearer $(paas auth:token)\" http://127.0.0.1:8081/apps",
		"config":                "paas config\npaas config --shell > .env",
		"config:get":            "paas config:get DATABASE_URL",
		"config:set":            "paas config:set GREETING=hello\npaas config:set --file .env\npaas config:set -p worker CONCURRENCY=4",
		"config:unset":          "paas config:unset GREETING",
		"config:edit":           "EDITOR=vim paas config:edit",
		"constraints:set":       "paas constraints:set zone=a disk!=slow\npaas constraints:set --spread zone --unique",
		"constraints:unset":     "paas constraints:unset zone\npaas constraints:unset --spread",
		"cron:run":              "paas cron\npaas cron:run e35a05de",
		"domains:add":           "paas domains:add www.example.com",
		"dashboard":             "paas dashboard\npaas dashboard -a shop\npaas dashboard --print",
		"drains:add":            "paas drains:add syslog+tls://logs.example.com:6514\npaas drains:add https://user:password@logs.example.com/in",
		"drill":                 "paas drill host-2\npaas drill host-2 --for 2m --yes\npaas drill host-2 --report",
		"files:set":             "paas files:set /etc/app.conf < app.conf",
		"git:clone":             "paas git:clone -a shop",
		"git:remote":            "paas git:remote -a shop\npaas git:remote -a shop-staging -r staging",
		"hosts:add":             "paas hosts:add host-2 --label zone=a --label disk=ssd",
		"hosts:drain":           "paas hosts:drain host-2\npaas hosts:drain host-2 --deadline 10m",
		"hosts:keep":            "paas hosts:keep host-2 --cpu 0.5 --memory 1G",
		"hosts:label":           "paas hosts:label host-2 zone=b\npaas hosts:label host-2 --unset zone",
		"hosts:rebalance":       "paas hosts:rebalance --dry-run\npaas hosts:rebalance\npaas hosts:rebalance -a shop",
		"hosts:upgrade":         "paas hosts:upgrade host-2 host-3\npaas hosts:upgrade --all --deadline 10m",
		"join":                  "paas join https://paas.example.com paasjoin_…",
		"links:add":             "paas links:add billing -a shop",
		"links:remove":          "paas links:remove billing -a shop\npaas links:remove shop --incoming -a billing",
		"local":                 "paas local\npaas local web\npaas local web=1 worker=2 -p 3000",
		"login":                 "paas login paas.example.com:2222",
		"logs":                  "paas logs --tail\npaas logs -n 500 --dyno web.1\npaas logs --source paas --process-type worker\npaas logs --grep timeout --since 2h",
		"maintenance:on":        "paas maintenance:on",
		"metrics":               "paas metrics\npaas metrics --since 24h\npaas metrics --since 7d --json",
		"routers:add":           "paas routers:add edge-1",
		"ps:copy":               "paas ps:copy /tmp/dump.sql -d worker.1",
		"ps:exec":               "paas ps:exec\npaas ps:exec -d worker.1 -- ls /tmp",
		"ps:forward":            "paas ps:forward 8080\npaas ps:forward 5000:8080 -d web.2",
		"ps:restart":            "paas restart\npaas restart worker\npaas restart web.2",
		"ps:scale":              "paas scale web=2 worker=1\npaas scale web+1\npaas scale worker=1:Standard-2X",
		"ps:stop":               "paas stop run.1234\npaas stop web.2",
		"ps:type":               "paas ps:type\npaas ps:type web=Standard-2X",
		"releases:diff":         "paas releases:diff v3 v4",
		"releases:info":         "paas releases:info v3",
		"rollback":              "paas rollback\npaas rollback v12",
		"run":                   "paas run bash\npaas run rails console -a shop\npaas run -x -- make check\npaas run 'echo $GREETING'",
		"run:detached":          "paas run:detached rake db:seed",
		"volumes:attach":        "paas volumes:attach uploads /app/data\npaas volumes:attach db /var/lib/data -p worker",
		"volumes:create":        "paas volumes:create uploads --size 10G\npaas volumes:create db --host host-2",
		"volumes:destroy":       "paas volumes:destroy uploads --confirm uploads",
		"why":                   "paas why web.2",
	}
}

// illustrate puts a command's examples into its help.
func illustrate(cmd *cobra.Command) {
	if lines, ok := examples()[cmd.Name()]; ok {
		cmd.Example = "  " + strings.ReplaceAll(lines, "\n", "\n  ")
	}
}
