{{- define "cronbox.name" -}}
{{- if contains "cronbox" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-cronbox" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "cronbox.selector" -}}
app.kubernetes.io/name: cronbox
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cronbox.labels" -}}
{{ include "cronbox.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "cronbox.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What several servers need. */}}
{{- define "cronbox.check" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not .Values.database.existingSecret }}{{ fail "several servers need a database: set database.existingSecret, or replicas to 1" }}{{ end }}
{{- if not .Values.blobs }}{{ fail "several servers need a bucket: set blobs to s3://BUCKET/PREFIX, or replicas to 1" }}{{ end }}
{{- if not .Values.secretKey.existingSecret }}{{ fail "several servers need the same key of secrets: set secretKey.existingSecret, or replicas to 1" }}{{ end }}
{{- if not .Values.adminToken.existingSecret }}{{ fail "several servers need the same first token: set adminToken.existingSecret, or replicas to 1" }}{{ end }}
{{- end }}
{{- end }}

{{/* The template of a pod, the same in a StatefulSet and in a Deployment. */}}
{{- define "cronbox.pod" -}}
metadata:
  labels:
    {{- include "cronbox.selector" . | nindent 4 }}
  annotations:
    # A change of the settings starts the servers again.
    checksum/settings: {{ .Values.settings | toJson | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "cronbox.name" . }}
  automountServiceAccountToken: false
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  # Runs can end within 30 s (the setting drain).
  terminationGracePeriodSeconds: 45
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: cronbox
      image: {{ include "cronbox.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/cronbox/cronbox.toml]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      ports:
        - name: http
          containerPort: 8080
      env:
        - name: CRONBOX_NODE_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- with .Values.database }}
        {{- if .existingSecret }}
        - name: CRONBOX_DATABASE
          valueFrom:
            secretKeyRef:
              name: {{ .existingSecret }}
              key: {{ .key }}
        {{- end }}
        {{- end }}
        {{- with .Values.blobs }}
        - name: CRONBOX_BLOBS
          value: {{ . | quote }}
        {{- end }}
        {{- with .Values.secretKey }}
        {{- if .existingSecret }}
        - name: CRONBOX_SECRET_KEY
          valueFrom:
            secretKeyRef:
              name: {{ .existingSecret }}
              key: {{ .key }}
        {{- end }}
        {{- end }}
        {{- if .Values.adminToken.existingSecret }}
        - name: CRONBOX_ADMIN_TOKEN_FILE
          value: /run/secrets/cronbox/token
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.s3.existingSecret }}
      envFrom:
        - secretRef:
            name: {{ . }}
      {{- end }}
      startupProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/cronbox
        - name: tmp
          mountPath: /tmp
        - name: settings
          mountPath: /etc/cronbox
          readOnly: true
        {{- if .Values.adminToken.existingSecret }}
        - name: token
          mountPath: /run/secrets/cronbox
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    - name: settings
      projected:
        sources:
          - configMap:
              name: {{ include "cronbox.name" . }}
    {{- if .Values.database.existingSecret }}
    # Only what can be made again: the database and the bucket have everything else.
    - name: data
      emptyDir: {}
    {{- end }}
    {{- with .Values.adminToken }}
    {{- if .existingSecret }}
    - name: token
      secret:
        secretName: {{ .existingSecret }}
        items:
          - key: {{ .key }}
            path: token
    {{- end }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- else }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "cronbox.selector" . | nindent 10 }}
  {{- end }}
{{- end }}
