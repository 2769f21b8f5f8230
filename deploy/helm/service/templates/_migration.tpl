{{- define "service.migrateHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-weight: {{ . | quote }}
{{- end }}

{{/*
The Job runs before an install or upgrade changes anything, so all that it needs
are hooks too, which come a little earlier and go when it is done. A Job that
failed stays to be looked at, until the next try, and the release is as it was.
*/}}
{{- define "service.migration" -}}
{{- if and .Values.migration.enabled (include "service.usesMysql" .) }}
{{- $name := printf "%s-migrate" (include "service.fullname" .) }}
{{- $existing := default .Values.database.existingSecret .Values.migration.existingSecret }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name | quote }}
  labels:
    {{- include "service.labelsOf" (list . "migration") | nindent 4 }}
  annotations:
    {{- include "service.migrateHook" "-10" | nindent 4 }}
data:
  {{- toYaml (dict (include "service.confFile" .) (include "service.migrateConf" .)) | nindent 2 }}
{{- if not $existing }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $name | quote }}
  labels:
    {{- include "service.labelsOf" (list . "migration") | nindent 4 }}
  annotations:
    {{- include "service.migrateHook" "-10" | nindent 4 }}
type: Opaque
data:
  {{- include "service.secretData" . | nindent 2 }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name | quote }}
  labels:
    {{- include "service.labelsOf" (list . "migration") | nindent 4 }}
  annotations:
    {{- include "service.migrateHook" "-10" | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "service.selectorLabelsOf" (list . "migration") | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "service.egressDNS" . | nindent 4 }}
    {{- include "service.egressDatabase" . | nindent 4 }}
    {{- with .Values.networkPolicy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name | quote }}
  labels:
    {{- include "service.labelsOf" (list . "migration") | nindent 4 }}
  annotations:
    {{- include "service.migrateHook" "0" | nindent 4 }}
spec:
  backoffLimit: {{ .Values.migration.backoffLimit | int64 }}
  activeDeadlineSeconds: {{ .Values.migration.activeDeadlineSeconds | int64 }}
  template:
    metadata:
      labels:
        {{- include "service.podLabelsOf" (list . "migration" .Values.podLabels) | nindent 8 }}
      {{- with .Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "service.podCommon" . | nindent 6 }}
      serviceAccountName: {{ .Values.migration.serviceAccountName | quote }}
      restartPolicy: Never
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: migrate
          {{- include "service.containerCommon" . | nindent 10 }}
          args:
            {{- include "service.args" . | nindent 12 }}
            - migrate
          resources:
            {{- toYaml .Values.migration.resources | nindent 12 }}
          volumeMounts:
            - name: config
              mountPath: /etc/mockvideo/config
              readOnly: true
            - name: secrets
              mountPath: /etc/mockvideo/secrets
              readOnly: true
            {{- with include "service.databaseTlsMount" . }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with .Values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          configMap:
            name: {{ $name | quote }}
        {{- include "service.secretsVolume" (list . $existing $name) | nindent 8 }}
        {{- with include "service.databaseTlsVolume" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
{{- end }}
