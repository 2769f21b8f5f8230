{{/* Names are cut so that "-headless" and "-migrate" still fit into the 63 bytes of a DNS label. */}}
{{- define "service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* Refuses what Kubernetes refuses as the name of a Service, before anything is installed. */}}
{{- define "service.fullname" -}}
{{- $name := .Release.Name }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if not (contains (include "service.name" .) $name) }}
{{- $name = printf "%s-%s" $name (include "service.name" .) }}
{{- end }}
{{- $name = regexReplaceAll "-+$" (trunc 52 $name) "" }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "%q, made of the release's name, cannot be the name of a Service, which begins with a letter and has small letters, digits and hyphens only: name the release otherwise, or set fullnameOverride" $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* What selects the pods of a component: (list . COMPONENT). */}}
{{- define "service.selectorLabelsOf" -}}
{{- with first . -}}
app.kubernetes.io/name: {{ include "service.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* What selects the pods that serve: never those of a migration or a test. */}}
{{- define "service.selectorLabels" -}}
{{- include "service.selectorLabelsOf" (list . "server") }}
{{- end }}

{{/*
Labels of a pod: (list . COMPONENT) and, if there are some, further ones. Each key
once: the chart's own go before the further ones, and these before commonLabels.
Not the chart's version, by which every new chart would replace all pods.
*/}}
{{- define "service.podLabelsOf" -}}
{{- $own := include "service.selectorLabelsOf" (list (first .) (index . 1)) | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "mockvideo" }}
{{- $further := dict }}
{{- if gt (len .) 2 }}
{{- $further = default $further (last .) }}
{{- end }}
{{- toYaml (merge $own $further (default dict (first .).Values.commonLabels)) }}
{{- end }}

{{/* Labels of any other object: likewise. */}}
{{- define "service.labelsOf" -}}
{{- $labels := include "service.podLabelsOf" . | fromYaml }}
{{- with first . }}
{{- $_ := set $labels "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- end }}
{{- toYaml $labels }}
{{- end }}

{{- define "service.labels" -}}
{{- include "service.labelsOf" (list . "server") }}
{{- end }}

{{- define "service.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "service.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Reference of an image: (list . IMAGE). */}}
{{- define "service.imageOf" -}}
{{- $image := last . }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default (first .).Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* Lines key=value of a map. Helm reads whole numbers as floats, which would be written 6.7e+07. */}}
{{- define "service.lines" -}}
{{- range $key, $value := . }}
{{- if kindIs "float64" $value }}
{{ $key }}={{ int64 $value }}
{{- else if not (kindIs "invalid" $value) }}
{{ $key }}={{ $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Seconds of a number of milliseconds, rounded up. */}}
{{- define "service.seconds" -}}
{{- div (add (int64 .) 999) 1000 }}
{{- end }}

{{- define "service.topologySpread" -}}
{{- range .Values.topologySpreadConstraints }}
{{- $added := dict "labelSelector" (dict "matchLabels" (include "service.selectorLabels" $ | fromYaml)) "matchLabelKeys" (list "pod-template-hash") }}
- {{ toYaml (merge (deepCopy .) $added) | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* The rule that lets names be looked up. */}}
{{- define "service.egressDNS" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
  {{- with .Values.networkPolicy.dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The rule that lets traces out, on the port of otlpEndpoint; none where there is no endpoint. */}}
{{- define "service.egressOTLP" -}}
{{- $port := .Values.otlp.port }}
{{- with .Values.config.otlpEndpoint }}
{{- $port = default (ternary "443" "80" (hasPrefix "https:" .)) (regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":") }}
{{- end }}
{{- if or .Values.config.otlpEndpoint .Values.otlp.existingSecret }}
- ports:
    - {port: {{ int $port }}, protocol: TCP}
  {{- with .Values.networkPolicy.otlpTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A ConfigMap can be read by many. */}}
{{- define "service.checkOTLP" -}}
{{- if and .Values.config.otlpEndpoint .Values.otlp.existingSecret }}
{{- fail "config.otlpEndpoint and otlp.existingSecret are both set: keep one of the two" }}
{{- end }}
{{- if regexMatch "^[^:]*:/*[^/?#]*@" (default "" .Values.config.otlpEndpoint) }}
{{- fail "config.otlpEndpoint has a user or password, which everybody who may read the ConfigMap would see: put the URL into a Secret and name that as otlp.existingSecret" }}
{{- end }}
{{- end }}

{{/* Refuses an admin port where no probe asks, and a grace period below the least: (list . LEAST). */}}
{{- define "service.checkAdmin" -}}
{{- $least := int (last .) }}
{{- with first . }}
{{- $admin := printf ":%d" (int .Values.ports.admin) }}
{{- if not (hasSuffix $admin (default $admin .Values.config.adminListen)) }}
{{- fail (printf "config.adminListen=%s is not where the probes ask, port %d: leave it out and set ports.admin" .Values.config.adminListen (int .Values.ports.admin)) }}
{{- end }}
{{- if and .Values.terminationGracePeriodSeconds (lt (int .Values.terminationGracePeriodSeconds) $least) }}
{{- fail (printf "terminationGracePeriodSeconds=%d kills pods that still work, it takes %d: raise it, leave it out, or lower preStopSleepSeconds or config.drainMs" (int .Values.terminationGracePeriodSeconds) $least) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "service.checkScale" -}}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas=%d is more than autoscaling.maxReplicas=%d" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $.Values.resources)) }}
{{- fail "autoscaling.targetCPUUtilizationPercentage is a share of resources.requests.cpu, which is not set" }}
{{- end }}
{{- if and .targetMemoryUtilizationPercentage (not (dig "requests" "memory" "" $.Values.resources)) }}
{{- fail "autoscaling.targetMemoryUtilizationPercentage is a share of resources.requests.memory, which is not set" }}
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage .metrics) }}
{{- fail "autoscaling.enabled without anything to scale by: set autoscaling.targetCPUUtilizationPercentage" }}
{{- end }}
{{- end }}
{{- end }}
{{- $least := ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled }}
{{- $needed := .Values.podDisruptionBudget.minAvailable }}
{{- if and .Values.podDisruptionBudget.enabled (not (kindIs "invalid" $needed)) (not (kindIs "string" $needed)) (ge (int $needed) (int $least)) }}
{{- fail (printf "podDisruptionBudget.minAvailable=%d of %d pods lets no node be drained: lower it, or leave it to maxUnavailable" (int $needed) (int $least)) }}
{{- end }}
{{- end }}

{{/*
What every pod's spec has. enableServiceLinks is off because the variables that
it makes of Services are named like configuration keys: a Service "mockvideo"
would set MOCKVIDEO_PORT.
*/}}
{{- define "service.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container that runs the program has. */}}
{{- define "service.containerCommon" -}}
image: {{ include "service.imageOf" (list . .Values.image) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- with .Values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .Values.otlp.existingSecret .Values.extraEnv }}
env:
  {{- with .Values.otlp }}
  {{- if .existingSecret }}
  - name: MOCKVIDEO_OTLP_ENDPOINT
    valueFrom:
      secretKeyRef:
        name: {{ .existingSecret | quote }}
        key: {{ .key | quote }}
  {{- end }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Probes, and the pause in which a pod that ends leaves the Services. */}}
{{- define "service.life" -}}
{{- range $probe, $path := dict "startupProbe" "/healthz" "livenessProbe" "/healthz" "readinessProbe" "/readyz" }}
{{ $probe }}:
  httpGet:
    path: {{ $path }}
    port: admin
  {{- toYaml (get $.Values $probe) | nindent 2 }}
{{- end }}
{{- if gt (int .Values.preStopSleepSeconds) 0 }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.preStopSleepSeconds | int64 }}
{{- end }}
{{- end }}

{{/*
Pod of `helm test` that GETs a path and wants a 200: (list . HOST PORT PATH).
bash does it, which the image has, so that no other image is needed.
*/}}
{{- define "service.testPod" -}}
{{- $root := index . 0 }}
{{- with $root -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "service.fullname" . }}-test
  labels:
    {{- include "service.labelsOf" (list . "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  {{- include "service.podCommon" . | nindent 2 }}
  serviceAccountName: default
  restartPolicy: Never
  activeDeadlineSeconds: 60
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: test
      image: {{ include "service.imageOf" (list . (ternary .Values.tests.image .Values.image (not (empty .Values.tests.image.repository)))) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      env:
        - {name: TEST_HOST, value: {{ index $ 1 | quote }}}
        - {name: TEST_PORT, value: {{ index $ 2 | quote }}}
        - {name: TEST_PATH, value: {{ index $ 3 | quote }}}
      command:
        - bash
        - -c
        - |
          set -eu
          exec 3<>"/dev/tcp/$TEST_HOST/$TEST_PORT"
          printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$TEST_PATH" "$TEST_HOST" >&3
          IFS= read -r -t 20 status <&3
          echo "http://$TEST_HOST:$TEST_PORT$TEST_PATH: $status"
          [[ $status == 'HTTP/1.1 200'* ]]
      resources:
        requests:
          cpu: 10m
          memory: 16Mi
          ephemeral-storage: 1Mi
        limits:
          memory: 32Mi
          ephemeral-storage: 16Mi
{{- end }}
{{- end }}
