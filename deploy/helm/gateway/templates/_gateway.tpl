{{/* All keys of the configuration: what the other values imply, under what config says. */}}
{{- define "gateway.keys" -}}
{{- $keys := dict "listen" (printf ":%d" (int .Values.ports.http)) "adminListen" (printf ":%d" (int .Values.ports.admin)) }}
{{- if .Values.backendTls.enabled }}
{{- $_ := set $keys "backendTlsCa" "/etc/mockvideo/backend-tls/ca.crt" }}
{{- if .Values.backendTls.clientCertificate }}
{{- $_ := set $keys "backendTlsCert" "/etc/mockvideo/backend-tls/tls.crt" }}
{{- $_ := set $keys "backendTlsKey" "/etc/mockvideo/backend-tls/tls.key" }}
{{- end }}
{{- end }}
{{- if not .Values.config.descriptors }}
{{- $_ := set $keys "descriptorCache" "/var/cache/mockvideo" }}
{{- end }}
{{- $keys = mergeOverwrite $keys (deepCopy .Values.config) }}
{{- $_ := set $keys "backends" (include "gateway.backends" .) }}
{{- toYaml $keys }}
{{- end }}

{{/*
URLs of the services: what config says, as it is; else the headless Services that
their charts make, in the umbrella those of the same release.
*/}}
{{- define "gateway.backends" -}}
{{- $urls := list }}
{{- range $service, $package := default (dict "accountd" "") .Values.servicesInRelease }}
{{- $name := $service }}
{{- if and $.Values.servicesInRelease (not (contains $service $.Release.Name)) }}
{{- $name = printf "%s-%s" $.Release.Name $service }}
{{- else if $.Values.servicesInRelease }}
{{- $name = $.Release.Name }}
{{- end }}
{{- $url := printf "dns:///%s-headless:7001" (regexReplaceAll "-+$" (trunc 52 $name) "") }}
{{- $urls = append $urls (ternary $url (printf "%s=%s" $package $url) (empty $package)) }}
{{- end }}
{{- default (join "," $urls) .Values.config.backends }}
{{- end }}

{{- define "gateway.conf" -}}
{{- include "service.lines" (include "gateway.keys" . | fromYaml) | trim }}
{{- end }}

{{/* Annotations that replace the pods when what they read only at the start has changed. */}}
{{- define "gateway.checksums" -}}
checksum/config: {{ include "gateway.conf" . | sha256sum | quote }}
{{- end }}

{{- define "gateway.tlsVolume" -}}
- name: backend-tls
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ default .Values.backendTls.existingSecret .Values.backendTls.caSecret | quote }}
          items:
            - {key: ca.crt, path: ca.crt}
      {{- if .Values.backendTls.clientCertificate }}
      - secret:
          name: {{ .Values.backendTls.existingSecret | quote }}
          items:
            - {key: tls.crt, path: tls.crt}
            - {key: tls.key, path: tls.key}
      {{- end }}
{{- end }}

{{/* Flags of the program. */}}
{{- define "gateway.args" -}}
- --config=/etc/mockvideo/config/gatewayd.conf
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The rule that lets the services be reached, those of the release too, on the ports of backends. */}}
{{- define "gateway.egressBackends" -}}
{{- $ports := list }}
{{- range regexFindAll ":[0-9]+ *(,|$)" (include "gateway.backends" .) -1 }}
{{- $ports = append $ports (trimAll ":, " . | atoi) }}
{{- end }}
- ports:
    {{- range uniq $ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.rpcTo }}
  {{- $peers := . }}
  {{- range $service, $_ := $.Values.servicesInRelease }}
  {{- $labels := dict "app.kubernetes.io/name" $service "app.kubernetes.io/part-of" "mockvideo" }}
  {{- $peers = append $peers (dict "podSelector" (dict "matchLabels" $labels)) }}
  {{- end }}
  to:
    {{- toYaml (uniq $peers) | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The least grace period: the pause before SIGTERM, the drain, and some to spare. */}}
{{- define "gateway.graceMin" -}}
{{- add (int .Values.preStopSleepSeconds) (include "service.seconds" (dig "drainMs" 10000 .Values.config)) 5 }}
{{- end }}

{{/* Refuses values that fit the schema, but not each other. */}}
{{- define "gateway.check" -}}
{{- if not .Values.config.insecureNoAuth }}
{{- fail "the gateway asks nobody who they are, so that everyone who reaches it may read and change every user: keep others away from it (an Ingress that authenticates, networkPolicy.httpFrom), then say that you know by --set config.insecureNoAuth=true" }}
{{- end }}
{{- if gt (int .Values.config.port) 0 }}
{{- fail "config.port is not where the Service and the NetworkPolicy look for the gateway: leave it out and set ports.http" }}
{{- end }}
{{- if and .Values.backendTls.enabled (not .Values.backendTls.existingSecret) (or .Values.backendTls.clientCertificate (not .Values.backendTls.caSecret)) }}
{{- fail "backendTls.enabled needs backendTls.existingSecret: the name of a Secret of type kubernetes.io/tls with tls.crt, tls.key and ca.crt" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled needs ingress.hosts: [{host: mockvideo.example, paths: [{path: /, pathType: Prefix}]}]" }}
{{- end }}
{{- include "service.checkOTLP" . }}
{{- include "service.checkAdmin" (list . (include "gateway.graceMin" .)) }}
{{- include "service.checkScale" . }}
{{- end }}
