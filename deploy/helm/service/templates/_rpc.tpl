{{- define "service.headlessName" -}}
{{- include "service.fullname" . }}-headless
{{- end }}

{{- define "service.usesMysql" -}}
{{- if eq (default "mysql" .Values.config.store) "mysql" }}true{{ end }}
{{- end }}

{{/* All keys of the configuration: what the other values imply, under what config says. */}}
{{- define "service.keys" -}}
{{- $keys := dict "store" "mysql" "adminListen" (printf ":%d" (int .Values.ports.admin)) }}
{{- $_ := set $keys "listen" (printf "%s://:%d" (ternary "tls+tcp" "tcp" .Values.tls.enabled) (int .Values.ports.rpc)) }}
{{- if .Values.tls.enabled }}
{{- $_ := set $keys "tlsCert" "/etc/mockvideo/tls/tls.crt" }}
{{- $_ := set $keys "tlsKey" "/etc/mockvideo/tls/tls.key" }}
{{- if .Values.tls.clientCertificates }}
{{- $_ := set $keys "tlsClientCa" "/etc/mockvideo/tls/ca.crt" }}
{{- end }}
{{- end }}
{{- if .Values.database.tls.caSecret }}
{{- $_ := set $keys "dbTls" "verify" }}
{{- $_ := set $keys "dbTlsCa" "/etc/mockvideo/db-tls/ca.crt" }}
{{- end }}
{{- if .Values.database.tls.clientSecret }}
{{- $_ := set $keys "dbTlsCert" "/etc/mockvideo/db-tls/tls.crt" }}
{{- $_ := set $keys "dbTlsKey" "/etc/mockvideo/db-tls/tls.key" }}
{{- end }}
{{- toYaml (mergeOverwrite $keys (deepCopy .Values.config)) }}
{{- end }}

{{/* Name of the configuration file: the chart is named after its program. */}}
{{- define "service.confFile" -}}
{{ .Chart.Name }}.conf
{{- end }}

{{- define "service.conf" -}}
{{- include "service.lines" (include "service.keys" . | fromYaml) | trim }}
{{- end }}

{{/* The part of it that a migration reads: the store, and the cost of hashing passwords. */}}
{{- define "service.migrateConf" -}}
{{- $keys := dict }}
{{- range $key, $value := include "service.keys" . | fromYaml }}
{{- if or (eq $key "store") (eq $key "logLevel") (hasPrefix "db" $key) (hasPrefix "hash" $key) }}
{{- $_ := set $keys $key $value }}
{{- end }}
{{- end }}
{{- include "service.lines" $keys | trim }}
{{- end }}

{{/* True when the chart makes the Secret itself. */}}
{{- define "service.makesSecret" -}}
{{- if and (include "service.usesMysql" .) (not .Values.database.existingSecret) }}true{{ end }}
{{- end }}

{{- define "service.secretData" -}}
dbuser: {{ .Values.database.user | b64enc | quote }}
dbpassword: {{ .Values.database.password | b64enc | quote }}
{{- end }}

{{/* The volume of the secrets directory, out of a Secret of one's own or, where that is "", the chart's: (list . EXISTING MADE). */}}
{{- define "service.secretsVolume" -}}
{{- $existing := index . 1 }}
{{- $made := index . 2 }}
{{- with (first .).Values.database -}}
- name: secrets
  secret:
    secretName: {{ default $made $existing | quote }}
    defaultMode: 0440
    items:
      - key: {{ ternary "dbuser" .userKey (empty $existing) | quote }}
        path: dbuser
      - key: {{ ternary "dbpassword" .passwordKey (empty $existing) | quote }}
        path: dbpassword
{{- end }}
{{- end }}

{{- define "service.tlsVolume" -}}
- name: tls
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.tls.existingSecret | quote }}
          items:
            - {key: tls.crt, path: tls.crt}
            - {key: tls.key, path: tls.key}
      {{- if .Values.tls.clientCertificates }}
      - secret:
          name: {{ default .Values.tls.existingSecret .Values.tls.caSecret | quote }}
          items:
            - {key: ca.crt, path: ca.crt}
      {{- end }}
{{- end }}

{{/* True when there are files for TLS to the database. */}}
{{- define "service.hasDatabaseTls" -}}
{{- if or .Values.database.tls.caSecret .Values.database.tls.clientSecret }}true{{ end }}
{{- end }}

{{- define "service.databaseTlsMount" -}}
{{- if include "service.hasDatabaseTls" . -}}
- name: database-tls
  mountPath: /etc/mockvideo/db-tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "service.databaseTlsVolume" -}}
{{- if include "service.hasDatabaseTls" . -}}
- name: database-tls
  projected:
    defaultMode: 0440
    sources:
      {{- with .Values.database.tls.caSecret }}
      - secret:
          name: {{ . | quote }}
          items:
            - {key: ca.crt, path: ca.crt}
      {{- end }}
      {{- with .Values.database.tls.clientSecret }}
      - secret:
          name: {{ . | quote }}
          items:
            - {key: tls.crt, path: tls.crt}
            - {key: tls.key, path: tls.key}
      {{- end }}
{{- end }}
{{- end }}

{{/* Flags of the program, the migration's too. */}}
{{- define "service.args" -}}
- --config=/etc/mockvideo/config/{{ include "service.confFile" . }}
{{- if include "service.usesMysql" . }}
- --secrets-dir=/etc/mockvideo/secrets
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations that replace the pods when what they read only at the start has changed. */}}
{{- define "service.checksums" -}}
checksum/config: {{ include "service.conf" . | sha256sum | quote }}
{{- if include "service.makesSecret" . }}
checksum/secret: {{ include "service.secretData" . | sha256sum | quote }}
{{- end }}
{{- end }}

{{/* The rule that lets the database be reached. */}}
{{- define "service.egressDatabase" -}}
- ports:
    - {port: {{ int (default 3306 .Values.config.dbPort) }}, protocol: TCP}
  {{- with .Values.networkPolicy.databaseTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The least grace period: the pause before SIGTERM, the drain, the calls that run then, and some to spare. */}}
{{- define "service.graceMin" -}}
{{- $drain := include "service.seconds" (dig "drainMs" 1000 .Values.config) }}
{{- $calls := include "service.seconds" (dig "requestTimeoutMs" 10000 .Values.config) }}
{{- add (int .Values.preStopSleepSeconds) $drain $calls 5 }}
{{- end }}

{{/* Refuses values that fit the schema, but not each other. */}}
{{- define "service.check" -}}
{{- $config := .Values.config }}
{{- if include "service.usesMysql" . }}
{{- if not $config.dbHost }}
{{- fail "config.dbHost is not set: it names the host of MySQL or MariaDB, such as --set config.dbHost=mariadb.databases.svc" }}
{{- end }}
{{- if and .Values.database.existingSecret (or .Values.database.user .Values.database.password) }}
{{- fail "database.existingSecret and database.user or database.password are both set: keep one of the two" }}
{{- end }}
{{- if not (or .Values.database.existingSecret (and .Values.database.user .Values.database.password)) }}
{{- fail "the database's user and password are missing: name a Secret with the keys dbuser and dbpassword as database.existingSecret, or set database.user and database.password in an encrypted values file" }}
{{- end }}
{{- else if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- fail (printf "config.store=%s keeps the data inside one pod, which several cannot share: set config.store=mysql and config.dbHost, or replicaCount=1 and autoscaling.enabled=false with a volume for the file in extraVolumes" $config.store) }}
{{- end }}
{{- if gt (int $config.port) 0 }}
{{- fail (printf "config.port makes %s answer on the pod's loopback address alone: leave it out and set ports.rpc" .Chart.Name) }}
{{- end }}
{{- if and .Values.tls.enabled (not .Values.tls.existingSecret) }}
{{- fail "tls.enabled needs tls.existingSecret: the name of a Secret of type kubernetes.io/tls with tls.crt, tls.key and ca.crt" }}
{{- end }}
{{- include "service.checkOTLP" . }}
{{- include "service.checkAdmin" (list . (include "service.graceMin" .)) }}
{{- include "service.checkScale" . }}
{{- end }}
