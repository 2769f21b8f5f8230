{{- define "service.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "service.fullname" . | quote }}
  labels:
    {{- include "service.labels" . | nindent 4 }}
  {{- with .Values.deploymentAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicaCount | int64 }}
  {{- end }}
  revisionHistoryLimit: {{ .Values.revisionHistoryLimit | int64 }}
  minReadySeconds: {{ .Values.minReadySeconds | int64 }}
  strategy:
    {{- toYaml .Values.strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "service.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "service.podLabelsOf" (list . "server" .Values.podLabels) | nindent 8 }}
      annotations:
        {{- toYaml (merge (include "service.checksums" . | fromYaml) (default dict .Values.podAnnotations)) | nindent 8 }}
    spec:
      {{- include "service.podCommon" . | nindent 6 }}
      serviceAccountName: {{ include "service.serviceAccountName" . | quote }}
      terminationGracePeriodSeconds: {{ default (include "service.graceMin" . | int) .Values.terminationGracePeriodSeconds | int64 }}
      {{- with include "service.topologySpread" . | trim }}
      topologySpreadConstraints:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .Chart.Name }}
          {{- include "service.containerCommon" . | nindent 10 }}
          args:
            {{- include "service.args" . | nindent 12 }}
          ports:
            - name: rpc
              containerPort: {{ .Values.ports.rpc | int64 }}
              protocol: TCP
            - name: admin
              containerPort: {{ .Values.ports.admin | int64 }}
              protocol: TCP
          {{- include "service.life" . | trim | nindent 10 }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
          volumeMounts:
            - name: config
              mountPath: /etc/mockvideo/config
              readOnly: true
            {{- if include "service.usesMysql" . }}
            - name: secrets
              mountPath: /etc/mockvideo/secrets
              readOnly: true
            {{- end }}
            {{- if .Values.tls.enabled }}
            - name: tls
              mountPath: /etc/mockvideo/tls
              readOnly: true
            {{- end }}
            {{- with include "service.databaseTlsMount" . }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with .Values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          configMap:
            name: {{ include "service.fullname" . | quote }}
        {{- if include "service.usesMysql" . }}
        {{- include "service.secretsVolume" (list . .Values.database.existingSecret (include "service.fullname" .)) | nindent 8 }}
        {{- end }}
        {{- if .Values.tls.enabled }}
        {{- include "service.tlsVolume" . | nindent 8 }}
        {{- end }}
        {{- with include "service.databaseTlsVolume" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
